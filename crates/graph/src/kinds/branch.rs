//! Summands of a sum.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out all that is computed into one summand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch;

impl SparsityKind for Branch {
    fn name(&self) -> &'static str {
        "branch"
    }

    fn level(&self) -> Level {
        Level::Branch
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
