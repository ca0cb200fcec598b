//! Levels that follow each other by chance.
use crate::error::Error;
use crate::generator::{Generator, Line, check_step, check_value};
use rand::RngExt;
use crate::random::{Stream, exponential};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A continuous-time Markov chain: a level lasts for an exponential time, then another follows. Begins with the first level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Markov {
    /// Values of the levels.
    pub levels: Vec<f64>,
    /// Mean time in each, in seconds.
    pub mean_s: Vec<f64>,
    /// For each level, the weights of those that may follow; unless given, all others are equally likely.
    pub next: Option<Vec<Vec<f64>>>,
}

impl Generator for Markov {
    fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error> {
        self.check(length)?;
        let (mut line, mut level) = (Line::new(length), 0);
        while !line.is_whole() {
            line.push(self.levels[level], self.mean_s[level] * exponential(random))?;
            level = self.following(level, random.random());
        }
        Ok(line.into_points())
    }
}

impl Markov {
    fn check(&self, length: Nanos) -> Result<(), Error> {
        let count = self.levels.len();
        if count < 2 || self.mean_s.len() != count {
            return Err(Error::field("markov", "at least two levels, and as many mean_s"));
        }
        self.levels.iter().try_for_each(|level| check_value("markov.levels", *level))?;
        self.mean_s.iter().try_for_each(|mean| check_step("markov.mean_s", *mean, length))?;
        let good = |(from, row): (usize, &Vec<f64>)| {
            let weights = row.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
            row.len() == count && weights && row.iter().sum::<f64>() - row[from] > 0.0
        };
        match &self.next {
            Some(next) if next.len() != count || !next.iter().enumerate().all(good) => {
                let expected = format!("{count} rows of {count} weights not below 0, one of another level above 0 in each");
                Err(Error::field("markov.next", expected))
            }
            _ => Ok(()),
        }
    }

    /// The level that follows, for a uniform number. A level never follows itself.
    fn following(&self, level: usize, uniform: f64) -> usize {
        let weight = |to: usize| match &self.next {
            _ if to == level => 0.0,
            Some(next) => next[level][to],
            None => 1.0,
        };
        let mut left = uniform * (0..self.levels.len()).map(weight).sum::<f64>();
        let mut last = level;
        for to in (0..self.levels.len()).filter(|to| weight(*to) > 0.0) {
            last = to;
            left -= weight(to);
            if left < 0.0 {
                break;
            }
        }
        last
    }
}
