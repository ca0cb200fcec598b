//! Where a choice saves work.
use serde::{Deserialize, Serialize};

/// A part of a training step; inference is [`Forward`](Phase::Forward) alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Outputs from inputs.
    Forward,
    /// Gradient of the inputs.
    BackwardInput,
    /// Gradient of the weights.
    BackwardWeight,
    /// The optimizer's step.
    Update,
}

impl Phase {
    /// All phases, in the order in which a step runs them.
    pub const ALL: [Self; 4] = [Self::Forward, Self::BackwardInput, Self::BackwardWeight, Self::Update];
}
