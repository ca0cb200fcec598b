//! Ramps.
use crate::error::Error;
use crate::generator::{Generator, Line, check_step, check_value};
use crate::random::Stream;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A ramp from one value to the other in equal steps, again and again. A ramp down is one with `from` above `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sawtooth {
    /// First value of a ramp.
    pub from: f64,
    /// Last value of a ramp.
    pub to: f64,
    /// Length of a ramp, in seconds.
    pub period_s: f64,
    /// Steps in a ramp.
    pub steps: u32,
}

impl Generator for Sawtooth {
    fn points(&self, length: Nanos, _: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
        check_value("sawtooth.from", self.from)?;
        check_value("sawtooth.to", self.to)?;
        if self.steps < 2 {
            return Err(Error::field(format!("sawtooth.steps = {}", self.steps), "at least 2"));
        }
        let step = self.period_s / f64::from(self.steps);
        check_step("sawtooth.period_s / sawtooth.steps", step, length)?;
        let mut line = Line::new(length);
        for i in (0..self.steps).cycle() {
            if line.is_whole() {
                break;
            }
            line.push(self.from + (self.to - self.from) * f64::from(i) / f64::from(self.steps - 1), step)?;
        }
        Ok(line.into_points())
    }
}
