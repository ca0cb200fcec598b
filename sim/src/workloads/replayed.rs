//! Arrivals that were recorded.
use crate::workload::{Arrival, Workload};
use serde::{Deserialize, Serialize};

/// Recorded arrivals, one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replayed {
    arrivals: Vec<Arrival>,
    given: usize,
}

impl Replayed {
    /// These arrivals, put in order of time.
    pub fn new(mut arrivals: Vec<Arrival>) -> Self {
        arrivals.sort_by_key(|arrival| arrival.at);
        Self { arrivals, given: 0 }
    }
}

impl Workload for Replayed {
    fn next(&mut self) -> Option<Arrival> {
        let arrival = self.arrivals.get(self.given).copied();
        self.given += 1;
        arrival
    }
}
