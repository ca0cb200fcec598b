//! Means over equal steps.
use crate::combinator::{Combinator, Context, length, remade, span};
use crate::error::Error;
use crate::generator::MOST_POINTS;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// The mean over each step of `step_s`. A policy meets less than the trace had in it: response times depend on how fast a share moves, not on its mean alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resample {
    /// Length of a step, in seconds.
    pub step_s: f64,
}

impl<T> Combinator<T> for Resample {
    fn apply(&self, trace: &Trace, _: &mut dyn Context<T>) -> Result<Trace, Error> {
        let (whole, step) = (length(trace, "resampling")?, span("resample.step_s", self.step_s)?);
        let count = whole.0.div_ceil(step.0);
        if count > MOST_POINTS as u64 {
            return Err(Error::field(
                format!("resample.step_s = {}", self.step_s),
                format!("at most {MOST_POINTS} steps"),
            ));
        }
        let most = trace.points().iter().map(|point| point.1).fold(0.0, f64::max);
        let mean = |i: u64| {
            let from = Nanos(i * step.0);
            (from, trace.mean(from, (from + step).min(whole)).clamp(0.0, most))
        };
        remade(trace, (0..count).map(mean).collect(), whole)
    }
}
