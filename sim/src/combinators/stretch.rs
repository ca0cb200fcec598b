//! Time stretched.
use crate::combinator::{Combinator, Context, remade};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Every time times `by`: 0.1 makes a trace ten times as fast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The number.
    pub by: f64,
}

impl<T> Combinator<T> for Stretch {
    fn apply(&self, trace: &Trace, _: &mut dyn Context<T>) -> Result<Trace, Error> {
        if !(self.by.is_finite() && self.by > 0.0) {
            return Err(Error::field(format!("stretch.by = {}", self.by), "a finite number above 0"));
        }
        let stretched = |time: Nanos| Nanos((time.0 as f64 * self.by).round() as u64);
        let points = trace.points().iter().map(|&(time, value)| (stretched(time), value)).collect();
        remade(trace, points, stretched(trace.length()))
    }
}
