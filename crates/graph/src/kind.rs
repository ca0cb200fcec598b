//! The contract of a way to be sparse.
use crate::density::Density;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Which units of a site are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(pub Vec<bool>);

impl Mask {
    /// Of `units` units, these are kept.
    pub fn of(units: usize, kept: impl IntoIterator<Item = usize>) -> Self {
        let mut mask = vec![false; units];
        kept.into_iter().for_each(|unit| mask[unit] = true);
        Self(mask)
    }

    /// Number of units kept.
    pub fn kept(&self) -> usize {
        self.0.iter().filter(|&&keep| keep).count()
    }
}

/// How much goes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One number.
    Element,
    /// A few numbers side by side.
    Vector,
    /// A channel, neuron or head: a slice of an axis.
    Channel,
    /// A layer or block.
    Layer,
    /// All that is computed into one summand.
    Branch,
    /// A token.
    Token,
    /// A sample.
    Sample,
    /// A step of training.
    Step,
}

impl Level {
    /// All levels, from the finest.
    pub const ALL: [Self; 8] =
        [Self::Element, Self::Vector, Self::Channel, Self::Layer, Self::Branch, Self::Token, Self::Sample, Self::Step];
}

/// What an operator reads, makes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// Trained weights.
    Weight,
    /// What it reads that other operators made.
    Activation,
    /// The gradient of the loss by what it reads.
    InputGradient,
    /// The gradient of the loss by its weights.
    WeightGradient,
    /// What the optimizer keeps for its weights.
    OptimizerState,
    /// What it reads that comes with each call.
    Data,
}

impl Operand {
    /// All operands.
    pub const ALL: [Self; 6] =
        [Self::Weight, Self::Activation, Self::InputGradient, Self::WeightGradient, Self::OptimizerState, Self::Data];
}

/// One way to be sparse.
pub trait SparsityKind {
    /// Short name, as in files and tables.
    fn name(&self) -> &'static str;

    /// How much goes at once.
    fn level(&self) -> Level;

    /// In which operands it leaves something out.
    fn operands(&self) -> &'static [Operand];

    /// The phases in which that saves work.
    fn phases(&self) -> &'static [Phase];

    /// Whether this kind can leave out part of an axis with `units` units of `block` elements each.
    fn fits(&self, units: usize, block: usize) -> bool;

    /// How many of `units` units a density keeps: at least one, all of them at 1000, and never fewer at a larger density.
    fn kept(&self, units: usize, keep: Density) -> usize {
        keep.kept(units)
    }

    /// The units by an importance score of each, in the order in which they stay: a density keeps the first [`kept`](Self::kept) of them. By default the
    /// best first; among equals the lower index.
    fn order(&self, scores: &[f64]) -> Vec<usize> {
        best_first(scores)
    }

    /// The units kept when each has an importance score. Masks nest: a smaller density keeps a subset of what a larger one keeps.
    fn mask(&self, scores: &[f64], keep: Density) -> Mask {
        Mask::of(scores.len(), self.order(scores).into_iter().take(self.kept(scores.len(), keep)))
    }

    /// The density that stands for all those that keep as much, where a kind knows only a few degrees: the greatest of them.
    fn settled(&self, keep: Density) -> Density {
        keep
    }

    /// What remains of dense work when an operator is thinned to `keep`: the law of density. By default, work falls in proportion in the phases
    /// that it saves.
    fn work(&self, dense: Work, keep: Density, phase: Phase) -> Work {
        if self.phases().contains(&phase) { dense.scaled(keep.fraction()) } else { dense }
    }
}

/// Units with the highest scores first; among equals the lower index.
pub(crate) fn best_first(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order
}
