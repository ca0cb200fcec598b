//! Arrivals at equal distances.
use crate::workload::{Arrival, Workload};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Arrivals at equal distances, the first at time zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Periodic {
    rate_hz: f64,
    until: Nanos,
    made: u64,
}

impl Periodic {
    /// `rate_hz` arrivals a second, before `until`; none unless the rate is above zero.
    pub fn new(rate_hz: f64, until: Nanos) -> Self {
        Self { rate_hz, until, made: 0 }
    }
}

impl Workload for Periodic {
    fn next(&mut self) -> Option<Arrival> {
        if self.rate_hz.is_nan() || self.rate_hz <= 0.0 {
            return None;
        }
        let at = Nanos::from_seconds(self.made as f64 / self.rate_hz);
        self.made += 1;
        (at < self.until).then_some(Arrival::at(at))
    }
}
