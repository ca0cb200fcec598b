//! Independent arrivals.
use crate::random::{Stream, exponential};
use crate::workload::{Arrival, Workload};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A Poisson process: independent exponential times between arrivals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poisson {
    rate_hz: f64,
    until: Nanos,
    seconds: f64,
    random: Stream,
}

impl Poisson {
    /// `rate_hz` arrivals a second on average, before `until`; none unless the rate is above zero.
    pub fn new(rate_hz: f64, until: Nanos, random: Stream) -> Self {
        Self { rate_hz, until, seconds: 0.0, random }
    }
}

impl Workload for Poisson {
    fn next(&mut self) -> Option<Arrival> {
        if self.rate_hz.is_nan() || self.rate_hz <= 0.0 {
            return None;
        }
        self.seconds += exponential(&mut self.random) / self.rate_hz;
        let at = Nanos::from_seconds(self.seconds);
        (at < self.until).then_some(Arrival::at(at))
    }
}
