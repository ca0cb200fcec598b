//! A wave, as of day and night.
use crate::error::Error;
use crate::generator::{Generator, Line, check_step, check_value};
use rand::RngExt;
use crate::random::Stream;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use supple_strategy::Nanos;

/// A cosine between two values, sampled at equal steps, with normal noise that is kept within them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Diurnal {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Length of a day, in seconds.
    pub period_s: f64,
    /// Time between samples, in seconds.
    pub step_s: f64,
    /// When the value is highest, in seconds.
    #[serde(default)]
    pub peak_s: f64,
    /// Standard deviation of the noise.
    #[serde(default)]
    pub noise: f64,
}

impl Generator for Diurnal {
    fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
        check_value("diurnal.low", self.low)?;
        check_value("diurnal.high", self.high)?;
        check_value("diurnal.noise", self.noise)?;
        check_step("diurnal.period_s", self.period_s, length)?;
        check_step("diurnal.step_s", self.step_s, length)?;
        if self.low > self.high || !self.peak_s.is_finite() {
            return Err(Error::field("diurnal", "low not above high, and a finite peak_s"));
        }
        let mut line = Line::new(length);
        while !line.is_whole() {
            let phase = TAU * (line.seconds() - self.peak_s) / self.period_s;
            let wave = self.low + (self.high - self.low) * (1.0 + phase.cos()) / 2.0;
            let value = wave + self.noise * normal(random);
            line.push(value.clamp(self.low, self.high), self.step_s)?;
        }
        Ok(line.into_points())
    }
}

/// A standard normal number (Box and Muller 1958).
fn normal(random: &mut Stream) -> f64 {
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos()
}
