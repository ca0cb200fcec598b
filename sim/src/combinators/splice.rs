//! Another trace put in.
use crate::combinator::{Combinator, Context, length, pieces, remade};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// The trace up to `at_s`, then the whole of another, then the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Splice<T> {
    /// Where the other is put in, in seconds; at the end of the trace unless given.
    pub at_s: Option<f64>,
    /// The other trace.
    pub with: T,
}

impl<T> Combinator<T> for Splice<T> {
    fn apply(&self, trace: &Trace, context: &mut dyn Context<T>) -> Result<Trace, Error> {
        let other = context.other(&self.with)?;
        if other.unit() != trace.unit() {
            return Err(Error::field(
                format!("splice.with in {}", other.unit()),
                format!("a trace in {}", trace.unit()),
            ));
        }
        let (whole, put) = (length(trace, "the end")?, length(&other, "the end")?);
        let at = self.at_s.map_or(whole, Nanos::from_seconds);
        if at > whole || self.at_s.is_some_and(|at| at.is_nan() || at < 0.0) {
            let expected = format!("a number from 0 to {}", whole.seconds());
            return Err(Error::field(format!("splice.at_s = {}", self.at_s.unwrap_or(0.0)), expected));
        }
        let later =
            |points: Vec<(Nanos, f64)>, by: Nanos| points.into_iter().map(move |(time, value)| (time + by, value));
        let mut points = if at > Nanos::ZERO { pieces(trace, Nanos::ZERO, at)? } else { Vec::new() };
        points.extend(later(pieces(&other, Nanos::ZERO, put)?, at));
        if at < whole {
            points.extend(later(pieces(trace, at, whole)?, at + put));
        }
        remade(trace, points, whole + put)
    }
}
