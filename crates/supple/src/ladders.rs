//! The slow clock: profile, menu, solver, ladder.
use crate::model::Model;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;
use supple_executor::{Batch, Executor, measure};
use supple_graph::blocks::HEIGHT;
use supple_graph::{Density, Elastic, Phase, Setting, SiteId};
use supple_kernels::bench::{Times, blocks_against_dense};
use supple_strategy::ladder::pareto;
use supple_strategy::solvers::Greedy;
use supple_strategy::{
    Amounts, Entry, Ladder, LayerTimes, Menu, Offer, Profile, Rung, Sensitivity, Solver, Spread, Stamp, Versus,
    break_even,
};

/// The densities that are measured and offered, in thousandths.
pub const DENSITIES: [u16; 8] = [1000, 750, 625, 500, 375, 250, 188, 125];

/// Budgets that the solver is asked about, spread evenly over the logarithm of time.
const BUDGETS: usize = 24;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Runs of each setting.
    pub rounds: usize,
    /// Held-out rows that quality is measured on.
    pub rows: usize,
}

impl Effort {
    /// Enough for figures that are quoted.
    pub const FULL: Self = Self { rounds: 60, rows: 2000 };
    /// Enough to choose by, in a few seconds.
    pub const QUICK: Self = Self { rounds: 15, rows: 500 };
}

fn densities() -> impl Iterator<Item = Density> {
    DENSITIES.into_iter().filter_map(Density::new)
}

/// Every density at all axes, and within all weights.
pub fn uniform(elastic: &Elastic) -> impl Iterator<Item = Setting> {
    let analysis = elastic.analysis();
    let axes = densities().map(|density| analysis.uniform(density));
    axes.chain(densities().map(|density| analysis.uniform_blocks(density)))
}

/// The settings of a profile: every density at all axes and within all weights, and every density at each site alone. Dense first.
fn grid(elastic: &Elastic) -> Vec<Setting> {
    let analysis = elastic.analysis();
    let uniform = uniform(elastic);
    let alone = |site| densities().skip(1).map(move |density| analysis.dense().with(SiteId(site), density));
    let mut seen = BTreeSet::new();
    uniform.chain((0..analysis.sites.len()).flat_map(alone)).filter(|s| seen.insert(s.clone())).collect()
}

fn entries(executor: &mut Executor, settings: &[Setting], input: &Batch, rounds: usize) -> Result<Vec<Entry>> {
    settings.iter().try_for_each(|setting| executor.prepare(setting))?;
    let times = measure::service_times(executor, settings, &input.input, rounds)?;
    let batch = input.input.shape()[0];
    let entry = |(setting, times): (&Setting, Vec<f64>)| {
        let work = executor.elastic().work(setting, batch, Phase::Forward)?;
        Ok(Entry { setting: setting.clone(), work, service: Spread::of(times)? })
    };
    settings.iter().zip(times).map(entry).collect()
}

/// Measures what the settings of the grid cost on this machine, for requests like `input`.
///
/// # Errors
/// When the input does not fit the model.
pub fn profile(executor: &mut Executor, stamp: Stamp, input: &Batch, rounds: usize) -> Result<Profile> {
    let layers = match executor.kernel_threads() {
        Some(threads) => layer_times(executor.elastic(), input, threads, rounds)?,
        None => Vec::new(),
    };
    executor.set_break_even(break_even(&layers, LayerTimes::inference));
    let settings = grid(executor.elastic());
    Ok(Profile { stamp, entries: entries(executor, &settings, input, rounds)?, layers })
}

/// What leaving out blocks saves in each layer, forward and backward, on `threads` threads; a turn is as long as `rounds` of 2 ms, by three.
///
/// # Errors
/// When a kernel refuses a layer.
pub fn layer_times(elastic: &Elastic, input: &Batch, threads: usize, rounds: usize) -> Result<Vec<LayerTimes>> {
    const TURNS: usize = 3;
    let densities: Vec<Density> = densities().filter(|&density| density < Density::FULL).collect();
    let fractions: Vec<f64> = densities.iter().map(|density| density.fraction()).collect();
    let turn = Duration::from_micros(2000 * rounds as u64 / TURNS as u64);
    let seconds = |dense: f64, blocks: f64| Versus { dense: dense / 1e3, blocks: blocks / 1e3 };
    let mut found = Vec::new();
    for (site, layer) in measure::blocked_layers(elastic, input.input.shape()[0])? {
        let (dense, blocks) = blocks_against_dense(&layer, HEIGHT, &fractions, threads, (TURNS, turn))?;
        let times = |(&density, blocks): (&Density, Times)| LayerTimes {
            site,
            density,
            forward: seconds(dense.forward, blocks.forward),
            backward: seconds(dense.backward, blocks.backward),
        };
        found.extend(densities.iter().zip(blocks).map(times));
    }
    Ok(found)
}

/// What is known of a model before its ladder is made.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What settings cost.
    pub profile: &'a Profile,
    /// What each site loses; measured with the ladder where it is not known.
    pub sensitivity: Option<&'a Sensitivity>,
}

/// Measures quality, solves for budgets between the dearest and the cheapest setting, validates what the solver answers, and keeps what is worth
/// choosing.
///
/// # Errors
/// When a batch does not fit the model or nothing is worth choosing.
pub fn ladder(
    model: &Model,
    executor: &mut Executor,
    known: Known<'_>,
    calibration: &[Batch],
    input: &Batch,
    effort: Effort,
) -> Result<Ladder> {
    ensure!(!calibration.is_empty(), "held-out data: expected at least one row");
    let profile = known.profile;
    executor.set_break_even(break_even(&profile.layers, LayerTimes::inference));
    profile.entries.iter().try_for_each(|entry| executor.prepare(&entry.setting))?;
    let mut settings: Vec<Setting> = uniform(model.elastic()).collect();
    let menu = menu(model.elastic(), executor, known, calibration)?;
    settings.extend(answers(&menu, profile));
    let mut seen = BTreeSet::new();
    settings.retain(|setting| seen.insert(setting.clone()));
    let measured = entries(executor, &settings, input, effort.rounds)?;
    let mut rungs = Vec::with_capacity(measured.len());
    for entry in measured {
        executor.apply(&entry.setting)?;
        let quality = measure::score(executor, calibration)?.accuracy();
        rungs.push(Rung { cost: entry.cost(), setting: entry.setting, service: entry.service, quality });
    }
    let rungs = pareto(rungs);
    if rungs.len() < 8 {
        log::warn!("only {} rungs are worth choosing; train longer, or with --elastic", rungs.len());
    }
    Ok(Ladder::new(profile.stamp.clone(), rungs)?.with_layers(profile.layers.clone()))
}

/// The settings that a solver finds best for budgets from dense to the cheapest measured.
fn answers(menu: &Menu, profile: &Profile) -> Vec<Setting> {
    let seconds: Vec<f64> = profile.entries.iter().map(|entry| entry.service.median()).collect();
    let dense = seconds.first().copied().unwrap_or(0.0);
    let least = seconds.iter().copied().fold(dense, f64::min);
    let budget = |i: usize| dense * (least / dense).powf(i as f64 / (BUDGETS - 1) as f64);
    let limit = |i| Amounts { seconds: budget(i), ..Amounts::UNLIMITED };
    (0..BUDGETS).filter_map(|i| Greedy.solve(menu, &limit(i)).ok()).map(|answer| answer.setting).collect()
}

/// Offers of every site: what it saves alone, and what quality it loses alone.
fn menu(elastic: &Elastic, executor: &mut Executor, known: Known<'_>, calibration: &[Batch]) -> Result<Menu> {
    let analysis = elastic.analysis();
    let dense_setting = analysis.dense();
    let mut accuracy = |setting: &Setting| -> Result<f64> {
        executor.apply(setting)?;
        Ok(measure::score(executor, calibration)?.accuracy())
    };
    let dense_quality = accuracy(&dense_setting)?;
    let dense = known.profile.entries.first().map_or(0.0, |entry| entry.service.median());
    let mut menu = Menu { base: Amounts::of_seconds(dense), sites: Vec::new() };
    for site in 0..analysis.sites.len() {
        let mut offers = Vec::new();
        for density in densities() {
            let setting = dense_setting.clone().with(SiteId(site), density);
            let Some(entry) = known.profile.find(&setting) else { continue };
            let loss = match known.sensitivity {
                Some(measured) => measured.accuracy(&setting),
                None => dense_quality - accuracy(&setting)?,
            };
            let price = Amounts::of_seconds(entry.service.median() - dense);
            offers.push(Offer { choice: analysis.choice(SiteId(site), density), price, loss: loss.max(0.0) });
        }
        menu.sites.push(offers);
    }
    settle(&mut menu);
    Ok(menu)
}

/// Moves what every offer of a site saves from the base to the offers, so that no price is negative; effects of sites on each other are scaled to
/// what the cheapest uniform setting really costs by the validation that follows.
fn settle(menu: &mut Menu) {
    for offers in &mut menu.sites {
        let least = offers.iter().map(|offer| offer.price.seconds).fold(0.0, f64::min);
        offers.iter_mut().for_each(|offer| offer.price.seconds -= least);
        menu.base.seconds += least;
    }
    menu.base.seconds = menu.base.seconds.max(0.0);
}
