//! Arrivals whose rate jumps.
use crate::error::Error;
use crate::random::{Stream, exponential};
use crate::workload::{Arrival, Workload};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A Markov-modulated Poisson process: in each phase arrivals are Poisson at the phase's rate; a phase lasts an exponential time, and
/// another, each as likely, follows (Fischer and Meier-Hellstern, "The Markov-modulated Poisson process cookbook", 1993).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modulated {
    phases: Vec<Phase>,
    until: Nanos,
    phase: usize,
    seconds: f64,
    phase_ends: f64,
    random: Stream,
}

/// A phase of a [`Modulated`] process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Arrivals a second.
    pub rate_hz: f64,
    /// How long it lasts on average, in seconds.
    pub mean_s: f64,
}

impl Modulated {
    /// Shortest mean length of a phase, in seconds.
    pub const SHORTEST: f64 = 1e-3;

    /// Begins in the first phase; arrivals before `until`.
    ///
    /// # Errors
    /// Unless there is a phase, rates are finite and not negative, and phases last a finite time of at least
    /// [`SHORTEST`](Self::SHORTEST) on average.
    pub fn new(phases: Vec<Phase>, until: Nanos, random: Stream) -> Result<Self, Error> {
        if phases.is_empty() {
            return Err(Error::field("phases", "at least one"));
        }
        phases.iter().enumerate().try_for_each(|(i, phase)| phase.check(i))?;
        let mut process = Self { phases, until, phase: 0, seconds: 0.0, phase_ends: 0.0, random };
        process.phase_ends = process.lasts();
        Ok(process)
    }

    /// Arrivals a second on average over all time.
    pub fn mean_hz(phases: &[Phase]) -> f64 {
        let time: f64 = phases.iter().map(|phase| phase.mean_s).sum();
        phases.iter().map(|phase| phase.rate_hz * phase.mean_s).sum::<f64>() / time
    }

    fn lasts(&mut self) -> f64 {
        exponential(&mut self.random) * self.phases[self.phase].mean_s
    }

    fn change(&mut self) {
        self.seconds = self.phase_ends;
        let others = self.phases.len().saturating_sub(1);
        if others > 0 {
            self.phase = (self.phase + 1 + self.random.random_range(0..others)) % self.phases.len();
        }
        self.phase_ends = self.seconds + self.lasts();
    }
}

impl Phase {
    fn check(&self, i: usize) -> Result<(), Error> {
        if !self.rate_hz.is_finite() || self.rate_hz < 0.0 {
            return Err(Error::field(
                format!("phases[{i}].rate_hz = {}", self.rate_hz),
                "a finite number, not below 0",
            ));
        }
        if self.mean_s.is_finite() && self.mean_s >= Modulated::SHORTEST {
            return Ok(());
        }
        let expected = format!("a finite number, at least {}", Modulated::SHORTEST);
        Err(Error::field(format!("phases[{i}].mean_s = {}", self.mean_s), expected))
    }
}

impl Workload for Modulated {
    fn next(&mut self) -> Option<Arrival> {
        if self.phases.iter().all(|phase| phase.rate_hz == 0.0) {
            return None;
        }
        while Nanos::from_seconds(self.seconds) < self.until {
            let rate = self.phases[self.phase].rate_hz;
            let gap = if rate > 0.0 { exponential(&mut self.random) / rate } else { f64::INFINITY };
            if self.seconds + gap < self.phase_ends {
                self.seconds += gap;
                let at = Nanos::from_seconds(self.seconds);
                return (at < self.until).then_some(Arrival::at(at));
            }
            self.change();
        }
        None
    }
}
