//! A resource over time.
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// What happens at the end of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The last share holds for ever.
    #[default]
    Hold,
    /// The trace starts again.
    Loop,
    /// The run ends; work already begun is finished at the last share.
    Stop,
}

/// The share of the machine's processor time that is ours, as a fraction, constant from one point to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Trace {
    points: Vec<(Nanos, f64)>,
    length: Nanos,
    end: End,
    /// Integral of the share from the start to each point, in nanoseconds.
    sums: Vec<f64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    points: Vec<(Nanos, f64)>,
    length: Nanos,
    end: End,
}

impl Trace {
    /// A trace from points (time, share from then on). `length` is when it ends; with [`End::Hold`] it changes nothing.
    ///
    /// # Errors
    /// Unless the first point is at zero, times ascend strictly, shares are from 0 to 1, and the last point is before `length`
    /// (with [`End::Hold`] it may be later).
    pub fn new(points: Vec<(Nanos, f64)>, length: Nanos, end: End) -> Result<Self, Error> {
        check(&points)?;
        let last = points[points.len() - 1].0;
        if end != End::Hold && length <= last {
            let expected =
                format!("more than {}, the time of the last point, where a trace loops or stops", last.seconds());
            return Err(Error::field(format!("trace.length = {} s", length.seconds()), expected));
        }
        let sums = integrals(&points);
        Ok(Self { points, length, end, sums })
    }

    /// The same share for ever.
    ///
    /// # Errors
    /// Unless the share is from 0 to 1.
    pub fn constant(share: f64) -> Result<Self, Error> {
        Self::new(vec![(Nanos::ZERO, share)], Nanos::ZERO, End::Hold)
    }

    /// The points: time, and share from then on.
    pub fn points(&self) -> &[(Nanos, f64)] {
        &self.points
    }

    /// When the run ends by itself; `None` unless the trace ends with [`End::Stop`].
    pub fn stops_at(&self) -> Option<Nanos> {
        (self.end == End::Stop).then_some(self.length)
    }

    /// The share at time `t`.
    pub fn at(&self, t: Nanos) -> f64 {
        self.points[self.piece(self.folded(t).1)].1
    }

    /// The first time after `t` when a new piece begins; `None` when none ever does.
    pub fn next_change(&self, t: Nanos) -> Option<Nanos> {
        let (start, inside) = self.folded(t);
        match self.points.get(self.piece(inside) + 1) {
            Some(&(next, _)) => Some(start + next),
            None => (self.end == End::Loop).then(|| start + self.length),
        }
    }

    /// The first time, `t` or later, when the share is above zero; `None` when it never is again.
    pub fn next_positive(&self, t: Nanos) -> Option<Nanos> {
        let mut when = t;
        for _ in 0..=self.points.len() {
            if self.at(when) > 0.0 {
                return Some(when);
            }
            when = self.next_change(when)?;
        }
        None
    }

    /// The mean share from `from` to `to`; the share at `from` when `to` is not later.
    pub fn mean(&self, from: Nanos, to: Nanos) -> f64 {
        if to <= from {
            return self.at(from);
        }
        (self.integral(to) - self.integral(from)) / (to - from).0 as f64
    }

    /// Integral of the share from zero to `t`, in nanoseconds of processor time.
    fn integral(&self, t: Nanos) -> f64 {
        let (start, inside) = self.folded(t);
        let loops = if start == Nanos::ZERO { 0.0 } else { start.0 as f64 / self.length.0 as f64 };
        loops * self.inner(self.length) + self.inner(inside)
    }

    /// Integral over the first pass through the points.
    fn inner(&self, t: Nanos) -> f64 {
        let piece = self.piece(t);
        let (since, share) = self.points[piece];
        self.sums[piece] + share * (t - since).0 as f64
    }

    /// Start of the pass that `t` falls into, and the time since then.
    fn folded(&self, t: Nanos) -> (Nanos, Nanos) {
        match self.end {
            End::Loop => (Nanos(t.0 - t.0 % self.length.0), Nanos(t.0 % self.length.0)),
            End::Hold | End::Stop => (Nanos::ZERO, t),
        }
    }

    fn piece(&self, inside: Nanos) -> usize {
        self.points.partition_point(|&(since, _)| since <= inside) - 1
    }
}

fn check(points: &[(Nanos, f64)]) -> Result<(), Error> {
    if points.first().is_none_or(|&(when, _)| when != Nanos::ZERO) {
        return Err(Error::field("points[0]", "a first point at time 0"));
    }
    if let Some(i) = points.windows(2).position(|pair| pair[0].0 >= pair[1].0) {
        let (before, at) = (points[i].0.seconds(), points[i + 1].0.seconds());
        return Err(Error::field(format!("points[{}].time = {at} s", i + 1), format!("a time after {before} s")));
    }
    match points.iter().position(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some(i) => Err(Error::field(format!("points[{i}].share = {}", points[i].1), "a share from 0 to 1")),
        None => Ok(()),
    }
}

fn integrals(points: &[(Nanos, f64)]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums = vec![sum];
    for pair in points.windows(2) {
        sum += pair[0].1 * (pair[1].0 - pair[0].0).0 as f64;
        sums.push(sum);
    }
    sums
}

impl TryFrom<Parts> for Trace {
    type Error = Error;
    fn try_from(parts: Parts) -> Result<Self, Error> {
        Self::new(parts.points, parts.length, parts.end)
    }
}

impl From<Trace> for Parts {
    fn from(trace: Trace) -> Self {
        Self { points: trace.points, length: trace.length, end: trace.end }
    }
}
