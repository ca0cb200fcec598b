//! Values pressed into a range.
use crate::combinator::{Combinator, Context, remade};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// Values below `floor` are raised to it, those above `ceiling` lowered to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Lowest value.
    #[serde(default)]
    pub floor: f64,
    /// Highest value.
    #[serde(default = "most")]
    pub ceiling: f64,
}

fn most() -> f64 {
    Trace::MOST
}

impl<T> Combinator<T> for Clip {
    fn apply(&self, trace: &Trace, _: &mut dyn Context<T>) -> Result<Trace, Error> {
        if !(self.floor >= 0.0 && self.floor <= self.ceiling) {
            let found = format!("clip.floor = {}, clip.ceiling = {}", self.floor, self.ceiling);
            return Err(Error::field(found, "a floor from 0 to the ceiling"));
        }
        let points =
            trace.points().iter().map(|&(time, value)| (time, value.clamp(self.floor, self.ceiling))).collect();
        remade(trace, points, trace.length())
    }
}
