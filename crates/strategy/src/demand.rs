//! What the user wants.
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// What the user wants of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// Time from a request's arrival to its answer, or for a whole training run.
    pub deadline: Option<Nanos>,
    /// Accuracy (a fraction) below which no rung may be chosen.
    pub accuracy_floor: Option<f64>,
    /// Highest part of requests that may miss their deadline; a run above it did not keep its demand.
    pub miss_ceiling: Option<f64>,
}
