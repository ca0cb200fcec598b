//! Cheap scores of a site's units, from weights and gradients.
use crate::error::Result;
use crate::loss::Batch;
use crate::trainer::{Gradients, Trainer};
use std::collections::BTreeMap;
use supple_graph::{Array, Elastic, Kind, Site, SiteId, Weights};

/// Scores of the units of one site, in the order in which one kind keeps them longest.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitScores {
    /// Sum of the magnitudes of the weights that leave with the unit.
    pub magnitude: Vec<f64>,
    /// Mean over batches of `|sum of w dL/dw|` over these weights (Molchanov et al., "Importance Estimation for Neural Network Pruning", 2019).
    pub taylor: Vec<f64>,
    /// Mean over batches of half the square of that sum: the second-order term with the empirical Fisher information as curvature (Theis et al.,
    /// "Faster gaze prediction with dense networks and Fisher pruning", 2018).
    pub fisher: Vec<f64>,
}

/// Scores of all units of all sites where weights leave, for each kind that fits there, for a trainer's weights, over these batches. A weight between two sites counts at both.
///
/// # Errors
/// When a batch does not fit.
pub fn unit_scores<'a>(
    trainer: &Trainer,
    batches: impl IntoIterator<Item = &'a Batch>,
) -> Result<BTreeMap<(SiteId, Kind), UnitScores>> {
    let elastic = trainer.elastic().clone();
    let weights = trainer.weights()?;
    let sites = &elastic.analysis().sites;
    let fresh = |(id, kind): (SiteId, Kind)| {
        let magnitude = magnitudes(&elastic, (&sites[id.0], kind), &weights);
        let zeros = vec![0.0; magnitude.len()];
        ((id, kind), UnitScores { magnitude, taylor: zeros.clone(), fisher: zeros })
    };
    let ways = |(at, site): (usize, &Site)| site.kinds.clone().into_iter().map(move |kind| (SiteId(at), kind));
    let ways = sites.iter().enumerate().filter(|(_, site)| site.has_weights()).flat_map(ways);
    let mut scores: BTreeMap<_, UnitScores> = ways.map(fresh).collect();
    let dense = elastic.analysis().dense();
    let mut count = 0.0f64;
    for batch in batches {
        let products = products(&weights, &trainer.gradients(batch, &dense)?.1);
        for (&(id, kind), scores) in &mut scores {
            scores.add(&sums(&elastic, (&sites[id.0], kind), &weights, &products));
        }
        count += 1.0;
    }
    let mean = |v: &mut f64| *v /= count.max(1.0);
    scores.values_mut().for_each(|s| s.taylor.iter_mut().chain(&mut s.fisher).for_each(mean));
    Ok(scores)
}

impl UnitScores {
    fn add(&mut self, sums: &[f64]) {
        for ((taylor, fisher), sum) in self.taylor.iter_mut().zip(&mut self.fisher).zip(sums) {
            *taylor += sum.abs();
            *fisher += sum * sum / 2.0;
        }
    }
}

/// Weight times gradient, for every weight that has one.
fn products(weights: &Weights, gradients: &Gradients) -> Weights {
    let product = |(id, gradient): (&supple_graph::NodeId, &Array)| {
        let mut product = weights[id].clone();
        product.data_mut().iter_mut().zip(gradient.data()).for_each(|(w, g)| *w *= g);
        (*id, product)
    };
    gradients.iter().map(product).collect()
}

/// Magnitudes of what leaves with each unit.
fn magnitudes(elastic: &Elastic, (site, kind): (&Site, Kind), weights: &Weights) -> Vec<f64> {
    let Some(blocked) = site.blocked() else { return elastic.importance(site, weights) };
    let array = &weights[&blocked.weight];
    let mut magnitudes = array.clone();
    magnitudes.data_mut().iter_mut().for_each(|w| *w = w.abs());
    blocked.ranked(elastic.graph(), kind, array, &magnitudes)
}

/// Sums over what leaves with each unit; importance sums magnitudes, so both signs go alone.
fn sums(elastic: &Elastic, (site, kind): (&Site, Kind), weights: &Weights, values: &Weights) -> Vec<f64> {
    if let Some(blocked) = site.blocked() {
        let ranked = |values| blocked.ranked(elastic.graph(), kind, &weights[&blocked.weight], values);
        return values.get(&blocked.weight).map_or(Vec::new(), ranked);
    }
    let part = |clip: fn(f32) -> f32| {
        let clipped = values.iter().map(|(&id, array)| {
            let mut array = array.clone();
            array.data_mut().iter_mut().for_each(|v| *v = clip(*v));
            (id, array)
        });
        elastic.importance(site, &clipped.collect())
    };
    part(|v| v.max(0.0)).iter().zip(part(|v| v.min(0.0))).map(|(above, below)| above - below).collect()
}
