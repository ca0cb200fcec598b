//! Activations under a threshold.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out activations that are zero, or too small: what they are multiplied with is not read (TEAL, Liu et al. 2025). The gradient of the weights
/// that they meet is zero too.
///
/// At a site of what a linear layer reads, the threshold of each row is such that a density is kept: the elements with the largest magnitudes, of equals
/// the first. What it costs is known before, therefore, and what is zero by itself goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Threshold;

impl SparsityKind for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn level(&self) -> Level {
        Level::Element
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Activation, Operand::Data]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Forward, Phase::BackwardWeight]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }
}
