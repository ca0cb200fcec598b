//! Single weights, wherever they stand.
use crate::density::Density;
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Leaves out single weights. An index stands beside each that is kept, so half of the bytes saved are spent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unstructured;

impl SparsityKind for Unstructured {
    fn name(&self) -> &'static str {
        "unstructured"
    }

    fn level(&self) -> Level {
        Level::Element
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Weight, Operand::WeightGradient, Operand::OptimizerState]
    }

    fn phases(&self) -> &'static [Phase] {
        &Phase::ALL
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }

    fn work(&self, dense: Work, keep: Density, _phase: Phase) -> Work {
        let part = keep.fraction();
        let bytes = (1.5 * part).min(1.0);
        Work { flops: dense.flops * part, moved: dense.moved * bytes, resident: dense.resident * bytes }
    }
}
