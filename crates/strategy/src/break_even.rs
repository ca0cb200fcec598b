//! Up to which density it pays to leave something out of a layer's weights.
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use supple_graph::kinds::Block;
use supple_graph::{Density, Kind, SiteId};

/// Seconds of one layer with all its weights and with some of them, measured in turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// All weights.
    pub dense: f64,
    /// The weights, in blocks or singly, that a density keeps.
    pub blocks: f64,
}

/// One layer at one density of one kind, at the batch and the threads of the [`Stamp`](crate::Stamp) beside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerTimes {
    /// The site within the layer's weights.
    pub site: SiteId,
    /// How something is left out within them; where a file does not say, in blocks.
    #[serde(default = "blocks")]
    pub kind: Kind,
    /// Part of the weights that is kept.
    pub density: Density,
    /// The pass forward.
    pub forward: Versus,
    /// The gradients of input, weights and bias.
    pub backward: Versus,
}

fn blocks() -> Kind {
    Kind::Block(Block)
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

/// For every site and kind that was measured the greatest density up to which what is kept took no longer than all weights, at every density measured;
/// `None` where it took longer at the least.
pub fn break_even(
    times: &[LayerTimes],
    asked: impl Fn(&LayerTimes) -> Versus,
) -> BTreeMap<(SiteId, Kind), Option<Density>> {
    let mut rising: Vec<&LayerTimes> = times.iter().collect();
    rising.sort_by_key(|times| (times.site, times.kind, times.density));
    let mut found = BTreeMap::new();
    let mut ended = None;
    for times in rising {
        let Versus { dense, blocks } = asked(times);
        let way = (times.site, times.kind);
        let limit = found.entry(way).or_insert(None);
        if blocks > dense {
            ended = Some(way);
        } else if ended != Some(way) {
            *limit = Some(times.density);
        }
    }
    found
}

/// Whether measured layers make sense.
pub(crate) fn check_layers(layers: &[LayerTimes]) -> Result<(), Error> {
    let is_time = |seconds: f64| seconds.is_finite() && seconds >= 0.0;
    let holds = |times: &LayerTimes| {
        [times.forward, times.backward].iter().all(|versus| is_time(versus.dense) && is_time(versus.blocks))
    };
    match layers.iter().position(|times| !holds(times)) {
        Some(i) => Err(Error::new(format!("layers[{i}]"), "finite, non-negative times")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use supple_graph::kinds::Unstructured;

    fn times(site: usize, per_mille: u16, seconds: f64) -> LayerTimes {
        let density = Density::new(per_mille).unwrap_or_default();
        let (forward, backward) = (Versus { dense: 1.0, blocks: seconds }, Versus { dense: 2.0, blocks: 0.5 });
        LayerTimes { site: SiteId(site), kind: blocks(), density, forward, backward }
    }

    #[test]
    fn blocks_pay_up_to_the_first_density_at_which_they_do_not() {
        let measured =
            [times(0, 500, 0.8), times(0, 125, 0.3), times(0, 250, 1.2), times(1, 125, 1.1), times(1, 250, 0.9)];
        let at = |site| (SiteId(site), blocks());
        let limits = break_even(&measured, LayerTimes::inference);
        assert_eq!(limits[&at(0)].map(Density::per_mille), Some(125));
        assert_eq!(limits[&at(1)], None);
        let limits = break_even(&measured, LayerTimes::training);
        assert_eq!(limits[&at(0)].map(Density::per_mille), Some(500));
        assert_eq!(limits[&at(1)].map(Density::per_mille), Some(250));
    }

    #[test]
    fn every_kind_has_a_limit_of_its_own() {
        let single = Kind::Unstructured(Unstructured);
        let measured = [times(0, 500, 0.8), LayerTimes { kind: single, ..times(0, 500, 1.4) }];
        let limits = break_even(&measured, LayerTimes::inference);
        assert_eq!(limits[&(SiteId(0), blocks())].map(Density::per_mille), Some(500));
        assert_eq!(limits[&(SiteId(0), single)], None);
    }

    #[test]
    fn a_file_that_names_no_kind_means_blocks() {
        let text =
            r#"{"site":3,"density":250,"forward":{"dense":2.0,"blocks":1.0},"backward":{"dense":2.0,"blocks":1.0}}"#;
        let read: LayerTimes = serde_json::from_str(text).unwrap();
        assert_eq!((read.site, read.kind), (SiteId(3), blocks()));
    }
}
