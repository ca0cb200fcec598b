//! Some of every few weights (n:m).
use crate::density::Density;
use crate::kind::{Level, Mask, Operand, SparsityKind, best_units};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Keeps as many weights of every four. What remains is rounded up to a whole number of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pattern;

/// Weights of a group.
const OF: usize = 4;

impl SparsityKind for Pattern {
    fn name(&self) -> &'static str {
        "pattern"
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
        units >= 4 && units.is_multiple_of(4)
    }

    fn mask(&self, scores: &[f64], keep: Density) -> Mask {
        let groups = scores.chunks(OF).flat_map(|group| best_units(group, keep.kept(group.len())).0);
        Mask(groups.collect())
    }

    fn work(&self, dense: Work, keep: Density, _phase: Phase) -> Work {
        dense.scaled(keep.kept(OF) as f64 / OF as f64)
    }
}
