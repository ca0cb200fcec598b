//! Vectors of eight weights.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out vectors of eight weights along the outputs. One index stands beside eight weights, and registers stay full, so work falls in
/// proportion, in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Block;

impl SparsityKind for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn level(&self) -> Level {
        Level::Vector
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Weight, Operand::WeightGradient, Operand::OptimizerState]
    }

    fn phases(&self) -> &'static [Phase] {
        &Phase::ALL
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units >= 8
    }
}
