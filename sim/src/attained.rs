//! The clock of jobs that progress alike: the service that each of them has attained.
use crate::resource::Capacity;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Service attained by each of `parts` equal parts of a capacity, in grains. As all progress alike, a job ends when this reaches what
/// it was when the job began plus what the job asks; no change of capacity or of parts touches any job (the virtual time of Parekh and
/// Gallager, "A Generalized Processor Sharing Approach to Flow Control", 1993).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attained {
    pub now: Nanos,
    pub capacity: Capacity,
    /// Since the start.
    pub each: u128,
    /// Given by the capacity and not yet handed on: what no whole grain for each is left of.
    pub spare: u128,
}

impl Attained {
    /// Lets time pass until `now`; the grains handed on to each part. With no part, what the capacity gives is lost.
    pub fn advance(&mut self, now: Nanos, parts: u64) -> u128 {
        let span = now.since(self.now).0;
        self.now = self.now.max(now);
        if parts == 0 {
            self.spare = 0;
            return 0;
        }
        let given = product(self.capacity.grains(), span).saturating_add(self.spare);
        let each = quotient(given, parts);
        self.spare = given - each * u128::from(parts);
        self.each = self.each.saturating_add(each);
        each
    }

    /// When `each` will reach `target`; `None` when never.
    pub fn reaches(&self, target: u128, parts: u64) -> Option<Nanos> {
        let missing = target.saturating_sub(self.each).saturating_mul(parts.into()).saturating_sub(self.spare);
        let span = match (missing, self.capacity.grains()) {
            (0, _) => 0,
            (_, 0) => return None,
            (missing, grains) => quotient(missing + u128::from(grains - 1), grains),
        };
        let when = u128::from(self.now.0).saturating_add(span);
        (when < u128::from(u64::MAX)).then_some(Nanos(when as u64))
    }
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Most quotients fit the short division.
fn quotient(dividend: u128, divisor: u64) -> u128 {
    match u64::try_from(dividend) {
        Ok(dividend) => (dividend / divisor).into(),
        Err(_) => dividend / u128::from(divisor),
    }
}
