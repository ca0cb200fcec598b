//! Some of every few weights (n:m).
use crate::density::Density;
use crate::kind::{Level, Operand, SparsityKind, best_first};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Keeps `n` of every four neighbouring weights, of fewer at the end as many in proportion, rounded up. A density stands for the least `n` that is no
/// smaller a part. The best of each four stay longest: 1:4 lies within 2:4, and that within 3:4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pattern;

impl Pattern {
    /// Weights of a group.
    pub const OF: usize = 4;
}

const OF: usize = Pattern::OF;

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
        units >= OF
    }

    fn kept(&self, units: usize, keep: Density) -> usize {
        let n = keep.kept(OF);
        units / OF * n + (units % OF * n).div_ceil(OF)
    }

    fn order(&self, scores: &[f64]) -> Vec<usize> {
        let ranked = |(at, group): (usize, &[f64])| {
            let length = group.len();
            best_first(group).into_iter().enumerate().map(move |(rank, unit)| (rank * OF / length, at * OF + unit))
        };
        let mut order: Vec<(usize, usize)> = scores.chunks(OF).enumerate().flat_map(ranked).collect();
        order.sort_by_key(|&(n, _)| n);
        order.into_iter().map(|(_, unit)| unit).collect()
    }

    fn settled(&self, keep: Density) -> Density {
        Density::new((1000 * keep.kept(OF) / OF) as u16).unwrap_or_default()
    }

    fn work(&self, dense: Work, keep: Density, _phase: Phase) -> Work {
        dense.scaled(keep.kept(OF) as f64 / OF as f64)
    }
}
