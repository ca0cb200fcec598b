//! The contract of a way to be sparse.
use crate::density::Density;
use crate::phase::Phase;
use crate::work::Work;

/// Which units of a site are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(pub Vec<bool>);

impl Mask {
    /// Number of units kept.
    pub fn kept(&self) -> usize {
        self.0.iter().filter(|&&keep| keep).count()
    }
}

/// One way to be sparse.
pub trait SparsityKind {
    /// Short name, as in files and tables.
    fn name(&self) -> &'static str;

    /// Whether this kind can leave out part of an axis with `units` units of `block` elements each.
    fn fits(&self, units: usize, block: usize) -> bool;

    /// The units kept when each has an importance score. Masks nest: a smaller density keeps a subset of what a
    /// larger one keeps; at least one unit is kept.
    fn mask(&self, scores: &[f64], keep: Density) -> Mask;

    /// What remains of dense work when one axis of the operator is thinned to `keep`.
    fn work(&self, dense: Work, keep: Density, phase: Phase) -> Work;
}

/// The `kept` highest scores; among equals the lower index wins, so that masks nest.
pub(crate) fn best_units(scores: &[f64], kept: usize) -> Mask {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut mask = vec![false; scores.len()];
    for &unit in order.iter().take(kept) {
        mask[unit] = true;
    }
    Mask(mask)
}
