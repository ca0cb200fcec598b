//! Up to which density it pays to leave blocks out of a layer's weights.
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use supple_graph::{Density, SiteId};

/// Seconds of one layer with all its weights and with some blocks of them, measured in turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// All weights.
    pub dense: f64,
    /// The blocks that a density keeps.
    pub blocks: f64,
}

/// One layer at one density of blocks, at the batch and the threads of the [`Stamp`](crate::Stamp) beside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerTimes {
    /// The site within the layer's weights.
    pub site: SiteId,
    /// Part of the blocks that is kept.
    pub density: Density,
    /// The pass forward.
    pub forward: Versus,
    /// The gradients of input, weights and bias.
    pub backward: Versus,
}

impl LayerTimes {
    /// What a run asks.
    pub fn inference(&self) -> Versus {
        self.forward
    }

    /// What a step of training asks.
    pub fn training(&self) -> Versus {
        let (there, back) = (self.forward, self.backward);
        Versus { dense: there.dense + back.dense, blocks: there.blocks + back.blocks }
    }
}

/// For every site that was measured the greatest density up to which blocks took no longer than all weights, at every density measured; `None` where
/// they took longer at the least.
pub fn break_even(times: &[LayerTimes], asked: impl Fn(&LayerTimes) -> Versus) -> BTreeMap<SiteId, Option<Density>> {
    let mut rising: Vec<&LayerTimes> = times.iter().collect();
    rising.sort_by_key(|times| (times.site, times.density));
    let mut found = BTreeMap::new();
    let mut ended = None;
    for times in rising {
        let Versus { dense, blocks } = asked(times);
        let limit = found.entry(times.site).or_insert(None);
        if blocks > dense {
            ended = Some(times.site);
        } else if ended != Some(times.site) {
            *limit = Some(times.density);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(site: usize, per_mille: u16, blocks: f64) -> LayerTimes {
        let density = Density::new(per_mille).unwrap_or_default();
        let (forward, backward) = (Versus { dense: 1.0, blocks }, Versus { dense: 2.0, blocks: 0.5 });
        LayerTimes { site: SiteId(site), density, forward, backward }
    }

    #[test]
    fn blocks_pay_up_to_the_first_density_at_which_they_do_not() {
        let measured =
            [times(0, 500, 0.8), times(0, 125, 0.3), times(0, 250, 1.2), times(1, 125, 1.1), times(1, 250, 0.9)];
        let limits = break_even(&measured, LayerTimes::inference);
        assert_eq!(limits[&SiteId(0)].map(Density::per_mille), Some(125));
        assert_eq!(limits[&SiteId(1)], None);
        let limits = break_even(&measured, LayerTimes::training);
        assert_eq!(limits[&SiteId(0)].map(Density::per_mille), Some(500));
        assert_eq!(limits[&SiteId(1)].map(Density::per_mille), Some(250));
    }
}
