//! The largest gradients.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out all but the largest elements of the gradient that comes back (Sun et al., 2017): both backward products shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopK;

impl SparsityKind for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn level(&self) -> Level {
        Level::Element
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::InputGradient]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::BackwardInput, Phase::BackwardWeight]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }
}
