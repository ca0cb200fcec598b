//! Bursts at random times.
use crate::error::Error;
use crate::generator::{Generator, Line, check_step, check_value};
use rand::RngExt;
use crate::random::{Stream, exponential};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A base value, and bursts of another: the times between them are exponential, their lengths exponential or, with `tail`, of Pareto's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// Value between bursts.
    pub base: f64,
    /// Value in a burst.
    pub burst: f64,
    /// Mean time from the end of a burst to the next, in seconds.
    pub gap_s: f64,
    /// Mean length of a burst, in seconds.
    pub burst_s: f64,
    /// Index of the Pareto distribution of lengths, above 1: the nearer to 1, the heavier the tail.
    pub tail: Option<f64>,
}

impl Generator for Bursts {
    fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
        check_value("bursts.base", self.base)?;
        check_value("bursts.burst", self.burst)?;
        check_step("bursts.gap_s", self.gap_s, length)?;
        check_step("bursts.burst_s", self.burst_s, length)?;
        if let Some(tail) = self.tail.filter(|tail| !(tail.is_finite() && *tail > 1.0)) {
            return Err(Error::field(format!("bursts.tail = {tail}"), "a finite number above 1"));
        }
        let mut line = Line::new(length);
        while !line.is_whole() {
            line.push(self.base, self.gap_s * exponential(random))?;
            if !line.is_whole() {
                line.push(self.burst, self.lasts(random))?;
            }
        }
        Ok(line.into_points())
    }
}

impl Bursts {
    /// How long a burst lasts: a Pareto number with mean `burst_s` and index `tail` begins at `burst_s * (tail - 1) / tail`.
    fn lasts(&self, random: &mut Stream) -> f64 {
        match self.tail {
            Some(tail) => {
                let least = self.burst_s * (tail - 1.0) / tail;
                least * (1.0 - random.random::<f64>()).powf(-1.0 / tail)
            }
            None => self.burst_s * exponential(random),
        }
    }
}
