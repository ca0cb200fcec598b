//! What quality each site loses at each density, measured on calibration data.
use crate::ladders::choices;
use crate::model::Model;
use anyhow::{Result, ensure};
use rand::RngExt;
use supple_executor::scores::{UnitScores, unit_scores};
use supple_executor::{AdamConfig, Batch, Executor, measure};
use supple_graph::{Analysis, Choice, Density, Phase, Setting, Site, SiteId, SparsityKind};
use supple_sim::random::{Stream, stream};
use supple_strategy::sensitivity::{Alone, Combined, SiteLosses};
use supple_strategy::{Pair, Quality, Sensitivity, Stamp};

/// Sites whose pairs are measured: those that lose most.
const PAIRED: usize = 8;

/// The density at which pairs are measured.
const PAIR_DENSITY: Density = match Density::new(500) {
    Some(density) => density,
    None => Density::FULL,
};

/// The least loss of a site alone, in nats, that makes its pairs matter.
const MATTERS: f64 = 1e-3;

/// Measures every site at every density alone, the pairs of those that lose most together, and `combined` drawn settings that combine all sites; scores
/// the sites cheaply.
///
/// # Errors
/// When a batch does not fit the model, or there is none.
pub fn measure(
    model: &Model,
    executor: &mut Executor,
    calibration: &[Batch],
    stamp: Stamp,
    combined: usize,
) -> Result<Sensitivity> {
    ensure!(!calibration.is_empty(), "held-out data: expected at least one row");
    let trainer = model.trainer(AdamConfig::default(), executor.backend())?;
    let scores = unit_scores(&trainer, calibration)?;
    let analysis = model.elastic().analysis().clone();
    let mut meter = Meter { executor, calibration, dense: Quality::default() };
    meter.dense = meter.quality(&analysis.dense())?;
    let mut sites = Vec::with_capacity(analysis.sites.len());
    for (i, site) in analysis.sites.iter().enumerate() {
        let mut alone = Vec::new();
        for choice in lossy(site) {
            let loss = meter.loss(&analysis.dense().with_choice(SiteId(i), choice))?;
            let Choice { kind, density } = choice;
            let proxies = scores.get(&(SiteId(i), kind)).map(|scores| proxies(scores, choice));
            let kind = Some(kind).filter(|&kind| kind != site.kinds[0]);
            alone.push(Alone { kind, density, nats: loss.nats, accuracy: loss.accuracy, proxies });
        }
        sites.push(SiteLosses { site: site.name.clone(), units: site.units, alone });
    }
    let pairs = meter.pairs(&analysis.dense(), &sites)?;
    let combined = meter.combined(&analysis, model.about().seed, combined)?;
    let rows = calibration.iter().map(|batch| batch.input.shape()[0]).sum();
    Ok(Sensitivity { stamp, seed: model.about().seed, rows, dense: meter.dense, sites, pairs, combined })
}

/// What changes the outputs at a site: the first kind that fits there first, the others in their order.
fn lossy(site: &Site) -> Vec<Choice> {
    let mut found: Vec<Choice> =
        choices(site).filter(|choice| choice.kind.phases().contains(&Phase::Forward)).collect();
    found.sort_by_key(|choice| (choice.kind != site.kinds[0], choice.kind));
    found
}

/// Measures quality at settings, on the same data.
struct Meter<'a> {
    executor: &'a mut Executor,
    calibration: &'a [Batch],
    dense: Quality,
}

impl Meter<'_> {
    fn quality(&mut self, setting: &Setting) -> Result<Quality> {
        self.executor.prepare(setting)?;
        self.executor.apply(setting)?;
        let (nats, score) = measure::quality(self.executor, self.calibration)?;
        Ok(Quality { nats, accuracy: score.accuracy() })
    }

    /// What a setting loses against dense.
    fn loss(&mut self, setting: &Setting) -> Result<Quality> {
        let found = self.quality(setting)?;
        Ok(Quality { nats: found.nats - self.dense.nats, accuracy: self.dense.accuracy - found.accuracy })
    }

    /// As many settings as asked for, drawn from a seed.
    fn combined(&mut self, analysis: &Analysis, seed: u64, count: usize) -> Result<Vec<Combined>> {
        let mut one = |at: usize| {
            let setting = drawn(analysis, &mut stream(seed, format_args!("setting {at}"), "combined"));
            let Quality { nats, accuracy } = self.loss(&setting)?;
            Ok(Combined { setting, nats, accuracy })
        };
        (0..count).map(&mut one).collect()
    }

    /// The pairs of the sites that lose most alone.
    fn pairs(&mut self, dense: &Setting, sites: &[SiteLosses]) -> Result<Vec<Pair>> {
        let is_at_pair = |alone: &&Alone| alone.kind.is_none() && alone.density == PAIR_DENSITY;
        let at_pair = |site: &SiteLosses| site.alone.iter().find(is_at_pair).copied();
        let mut losing: Vec<(SiteId, Alone)> =
            sites.iter().enumerate().filter_map(|(i, site)| at_pair(site).map(|alone| (SiteId(i), alone))).collect();
        losing.retain(|(_, alone)| alone.nats >= MATTERS);
        losing.sort_by(|a, b| b.1.nats.total_cmp(&a.1.nats));
        losing.truncate(PAIRED);
        losing.sort_by_key(|&(site, _)| site);
        let mut pairs = Vec::new();
        for (i, (first, a)) in losing.iter().enumerate() {
            for (second, b) in &losing[i + 1..] {
                let setting = dense.clone().with(*first, PAIR_DENSITY).with(*second, PAIR_DENSITY);
                let both = self.loss(&setting)?;
                pairs.push(Pair {
                    sites: [*first, *second],
                    density: PAIR_DENSITY,
                    nats: both.nats - a.nats - b.nats,
                    accuracy: both.accuracy - a.accuracy - b.accuracy,
                });
            }
        }
        Ok(pairs)
    }
}

/// Half of the sites dense, the others with any of the choices that change the outputs.
fn drawn(analysis: &Analysis, random: &mut Stream) -> Setting {
    let mut setting = analysis.dense();
    for (i, site) in analysis.sites.iter().enumerate() {
        let choices = lossy(site);
        if !choices.is_empty() && random.random_bool(0.5) {
            setting = setting.with_choice(SiteId(i), choices[random.random_range(0..choices.len())]);
        }
    }
    setting
}

/// The scores of what a density leaves out: the units behind those that it keeps.
fn proxies(scores: &UnitScores, Choice { kind, density }: Choice) -> [f64; 3] {
    let kept = kind.kept(scores.magnitude.len(), density);
    let left_out = |scores: &[f64]| scores[kept..].iter().sum::<f64>();
    let all: f64 = scores.magnitude.iter().sum();
    let magnitude = if all > 0.0 { left_out(&scores.magnitude) / all } else { 0.0 };
    [magnitude, left_out(&scores.taylor), left_out(&scores.fisher)]
}
