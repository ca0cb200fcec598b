//! Blocks of scores of an attention.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out blocks of scores: a block of queries sees some blocks of tokens alone, its own, the first and the nearest (`Near`). Softmax goes
/// over what is seen, so that what is left is an attention with a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Score;

impl SparsityKind for Score {
    fn name(&self) -> &'static str {
        "score"
    }

    fn level(&self) -> Level {
        Level::Vector
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Activation, Operand::InputGradient]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Forward, Phase::BackwardInput]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }
}
