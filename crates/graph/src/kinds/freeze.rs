//! Layers that learn no more.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out the gradient and the update of weights; the layer still computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Freeze;

impl SparsityKind for Freeze {
    fn name(&self) -> &'static str {
        "freeze"
    }

    fn level(&self) -> Level {
        Level::Layer
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::WeightGradient, Operand::OptimizerState]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::BackwardWeight, Phase::Update]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 0
    }
}
