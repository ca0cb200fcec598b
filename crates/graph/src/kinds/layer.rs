//! Whole layers.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out a layer of a branch: where nothing is added, nothing is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Layer;

impl SparsityKind for Layer {
    fn name(&self) -> &'static str {
        "layer"
    }

    fn level(&self) -> Level {
        Level::Layer
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Weight, Operand::Activation, Operand::InputGradient]
    }

    fn phases(&self) -> &'static [Phase] {
        &Phase::ALL
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 0
    }
}
