//! How far a simulated run is from the live one.
use super::run::{Run, ratio};
use serde::{Deserialize, Serialize};

/// The simulated run of a policy against the live one of the same policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Name of the policy.
    pub policy: String,
    /// Miss rate simulated minus live, in points (hundredths).
    pub miss_points: f64,
    /// Accuracy simulated minus live, in points.
    pub accuracy_points: f64,
    /// Median latency, simulated over live.
    pub p50_ratio: f64,
    /// 95th percentile of the latency, simulated over live.
    pub p95_ratio: f64,
    /// 99th percentile of the latency, simulated over live.
    pub p99_ratio: f64,
}

impl Fidelity {
    /// Compares two runs of one policy.
    pub fn of(live: &Run, sim: &Run) -> Self {
        Self {
            policy: live.policy.clone(),
            miss_points: 100.0 * (sim.miss_rate - live.miss_rate),
            accuracy_points: 100.0 * (sim.accuracy - live.accuracy),
            p50_ratio: ratio(sim.p50_ms, live.p50_ms),
            p95_ratio: ratio(sim.p95_ms, live.p95_ms),
            p99_ratio: ratio(sim.p99_ms, live.p99_ms),
        }
    }
}
