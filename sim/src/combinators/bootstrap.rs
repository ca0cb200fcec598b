//! Blocks of a trace in random order.
use crate::combinator::{Combinator, Context, length, pieces, remade, span};
use crate::error::Error;
use crate::trace::Trace;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A trace made of blocks of this one, drawn with replacement (moving-block bootstrap, Kunsch 1989).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Length of a block, in seconds.
    pub block_s: f64,
    /// Length of the result, in seconds; that of the trace unless given.
    pub length_s: Option<f64>,
}

impl<T> Combinator<T> for Bootstrap {
    fn apply(&self, trace: &Trace, context: &mut dyn Context<T>) -> Result<Trace, Error> {
        let (whole, block) = (length(trace, "a bootstrap")?, span("bootstrap.block_s", self.block_s)?);
        if block > whole {
            let expected = format!("at most {}, the length of the trace", whole.seconds());
            return Err(Error::field(format!("bootstrap.block_s = {}", self.block_s), expected));
        }
        let until = self.length_s.map_or(Ok(whole), |length| span("bootstrap.length_s", length))?;
        if until.0 / block.0 > 1 << 20 {
            return Err(Error::field(format!("bootstrap.block_s = {}", self.block_s), "at most a million blocks"));
        }
        let mut random = context.random();
        let (mut points, mut now) = (Vec::new(), Nanos::ZERO);
        while now < until {
            let from = Nanos(random.random_range(0..=(whole - block).0));
            let to = from + block.min(until - now);
            points.extend(pieces(trace, from, to)?.into_iter().map(|(time, value)| (time + now, value)));
            now = now + block;
        }
        remade(trace, points, until)
    }
}
