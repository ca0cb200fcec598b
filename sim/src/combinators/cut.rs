//! A part of the time.
use crate::combinator::{Combinator, Context, length, pieces, remade, span};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// What is from `from_s` to `to_s`, moved to the start. Beyond the end of the trace its end policy counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Where the part begins, in seconds.
    #[serde(default)]
    pub from_s: f64,
    /// Where it ends, in seconds; the end of the trace unless given.
    pub to_s: Option<f64>,
}

impl<T> Combinator<T> for Cut {
    fn apply(&self, trace: &Trace, _: &mut dyn Context<T>) -> Result<Trace, Error> {
        let to = self.to_s.map_or_else(|| length(trace, "the end"), |to| span("cut.to_s", to))?;
        let from = Nanos::from_seconds(self.from_s);
        if !(self.from_s >= 0.0 && from < to) {
            let expected = format!("a number from 0, below {}", to.seconds());
            return Err(Error::field(format!("cut.from_s = {}", self.from_s), expected));
        }
        remade(trace, pieces(trace, from, to)?, to - from)
    }
}
