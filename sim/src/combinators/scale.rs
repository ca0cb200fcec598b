//! Values times a number.
use crate::combinator::{Combinator, Context, remade};
use crate::error::Error;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// Every value times `by`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The number.
    pub by: f64,
}

impl<T> Combinator<T> for Scale {
    fn apply(&self, trace: &Trace, _: &mut dyn Context<T>) -> Result<Trace, Error> {
        if !(self.by.is_finite() && self.by >= 0.0) {
            return Err(Error::field(format!("scale.by = {}", self.by), "a finite number, not below 0"));
        }
        let points = trace.points().iter().map(|&(time, value)| (time, value * self.by)).collect();
        remade(trace, points, trace.length())
    }
}
