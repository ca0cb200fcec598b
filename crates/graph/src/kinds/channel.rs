//! Channels of a layer, as a prefix of an axis in order of importance.
use crate::density::Density;
use crate::kind::{Mask, SparsityKind, best_units};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Leaves out whole channels. A dense product of the prefix remains, so work falls in proportion, in every phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Channel;

impl SparsityKind for Channel {
    fn name(&self) -> &'static str {
        "channel"
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }

    fn mask(&self, scores: &[f64], keep: Density) -> Mask {
        best_units(scores, keep.kept(scores.len()))
    }

    fn work(&self, dense: Work, keep: Density, _phase: Phase) -> Work {
        dense.scaled(keep.fraction())
    }
}
