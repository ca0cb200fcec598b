//! Levels one after the other.
use crate::error::Error;
use crate::generator::{Generator, Line, check_step, check_value};
use rand::RngExt;
use crate::random::Stream;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Levels, each for the same time: in their order again and again, or drawn at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Values of the levels.
    pub levels: Vec<f64>,
    /// How long a level lasts, in seconds.
    pub each_s: f64,
    /// Whether each is drawn at random.
    #[serde(default)]
    pub random: bool,
}

impl Generator for Steps {
    fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
        check_step("steps.each_s", self.each_s, length)?;
        self.levels.iter().try_for_each(|level| check_value("steps.levels", *level))?;
        if self.levels.is_empty() {
            return Err(Error::field("steps.levels", "at least one"));
        }
        let mut line = Line::new(length);
        for i in (0..self.levels.len()).cycle() {
            if line.is_whole() {
                break;
            }
            let level = if self.random { random.random_range(0..self.levels.len()) } else { i };
            line.push(self.levels[level], self.each_s)?;
        }
        Ok(line.into_points())
    }
}
