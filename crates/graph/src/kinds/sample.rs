//! Samples of a batch.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out samples that teach least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sample;

impl SparsityKind for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn level(&self) -> Level {
        Level::Sample
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Activation, Operand::InputGradient, Operand::Data]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Forward, Phase::BackwardInput, Phase::BackwardWeight]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 0
    }
}
