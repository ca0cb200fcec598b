//! Steps of the optimizer.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out steps: the gradient of weights is neither computed nor applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Step;

impl SparsityKind for Step {
    fn name(&self) -> &'static str {
        "step"
    }

    fn level(&self) -> Level {
        Level::Step
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
