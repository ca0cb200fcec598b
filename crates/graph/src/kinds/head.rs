//! Heads of a layer, as a prefix of an axis in order of importance.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out whole heads. A dense product of the prefix remains, so work falls in proportion, in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Head;

impl SparsityKind for Head {
    fn name(&self) -> &'static str {
        "head"
    }

    fn level(&self) -> Level {
        Level::Channel
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Weight, Operand::Activation, Operand::InputGradient, Operand::WeightGradient, Operand::OptimizerState]
    }

    fn phases(&self) -> &'static [Phase] {
        &Phase::ALL
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }
}
