//! The slow clock: profile, menu, solver, ladder.
use crate::model::Model;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;
use supple_executor::measure::{self, Seen};
use supple_executor::{Batch, BreakEven, Executor, Trainer, pays};
use supple_graph::blocks::WITHIN;
use supple_graph::kinds::{Score, Threshold, Token, TopK};
use supple_graph::{Choice, Density, Elastic, Kind, Phase, Setting, Site, SiteId, SparsityKind};
use supple_kernels::Cut;
use supple_kernels::bench::{Times, Trial, active_against_dense, cuts_against_dense, tops_against_dense};
use supple_strategy::ladder::{pareto, worth_answering};
use supple_strategy::solvers::Greedy;
use supple_strategy::{
    Amounts, Entry, Ladder, LayerTimes, Menu, Offer, Profile, Rung, Sensitivity, Solver, Spread, Stamp, Versus,
    break_even,
};

/// The densities that are measured and offered, in thousandths.
pub const DENSITIES: [u16; 8] = [1000, 750, 625, 500, 375, 250, 188, 125];

/// Rungs below which a ladder gives little to choose from.
const FEW_RUNGS: usize = 5;

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

/// The densities that are measured of a kind, dense first.
pub fn densities_of(kind: Kind) -> impl Iterator<Item = Density> {
    densities().filter(move |&density| kind.settled(density) == density)
}

/// One density everywhere.
#[derive(Clone, Debug)]
pub struct Everywhere {
    /// Within layers the name of the kind, else `axes`.
    pub kind: &'static str,
    /// The density.
    pub density: Density,
    /// The setting.
    pub setting: Setting,
}

/// Every density at all axes, and of every kind within all layers that it fits or of all tokens, where it saves work in one of the `phases`; of what layers
/// read only where nothing is trained: of a batch, hardly any input is small in all rows.
pub fn uniform(elastic: &Elastic, phases: &[Phase]) -> impl Iterator<Item = Everywhere> {
    let analysis = elastic.analysis();
    let axes = densities().map(|density| Everywhere { kind: "axes", density, setting: analysis.uniform(density) });
    let within = move |kind: Kind| {
        let at =
            move |density| Everywhere { kind: kind.name(), density, setting: analysis.uniform_within(kind, density) };
        densities_of(kind).map(at)
    };
    let saves = move |kind: &Kind| match kind {
        Kind::Threshold(_) => phases == [Phase::Forward],
        kind => phases.iter().any(|phase| kind.phases().contains(phase)),
    };
    let fits = move |kind: &Kind| analysis.sites.iter().any(|site| site.kinds.contains(kind));
    let others = [Kind::Threshold(Threshold), Kind::Score(Score), Kind::TopK(TopK), Kind::Token(Token)];
    let kinds = WITHIN.into_iter().chain(others);
    axes.chain(kinds.filter(saves).filter(fits).flat_map(within))
}

/// The settings with one density everywhere that save work in one of the `phases`, each once, dense first.
pub fn everywhere(elastic: &Elastic, phases: &[Phase]) -> Vec<Setting> {
    distinct(uniform(elastic, phases).map(|everywhere| everywhere.setting))
}

/// Each kind that fits at a site, the first one first, at each density below dense.
pub fn choices(site: &Site) -> impl Iterator<Item = Choice> {
    let at = |kind| densities_of(kind).skip(1).map(move |density| Choice { kind, density });
    site.kinds.iter().flat_map(move |&kind| at(kind))
}

/// What may be offered to requests at a site: every choice that saves work forward, where that was not measured to be slower than all weights.
fn offered<'a>(elastic: &'a Elastic, limits: &'a BreakEven, site: SiteId) -> impl Iterator<Item = Choice> + 'a {
    let saves = |choice: &Choice| choice.kind.phases().contains(&Phase::Forward);
    choices(&elastic.analysis().sites[site.0]).filter(saves).filter(move |&choice| pays(limits, site, choice))
}

/// Settings, each once.
fn distinct(settings: impl IntoIterator<Item = Setting>) -> Vec<Setting> {
    let mut seen = BTreeSet::new();
    settings.into_iter().filter(|setting| seen.insert(setting.clone())).collect()
}

/// The settings of a profile: every density at all axes and within all weights, and what may be offered at each site alone. Dense first.
fn grid(elastic: &Elastic, limits: &BreakEven) -> Vec<Setting> {
    let dense = elastic.analysis().dense();
    let sites = (0..elastic.analysis().sites.len()).map(SiteId);
    let alone = sites.flat_map(|site| {
        let dense = &dense;
        offered(elastic, limits, site).map(move |choice| dense.clone().with_choice(site, choice))
    });
    distinct(everywhere(elastic, &[Phase::Forward]).into_iter().chain(alone))
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

/// Lets an executor take the faster way through each layer, as measured.
pub fn guide_executor(executor: &mut Executor, layers: &[LayerTimes]) {
    executor.set_break_even(break_even(layers, LayerTimes::inference));
}

/// Lets a trainer take the faster way through each layer, as measured.
pub fn guide_trainer(trainer: &mut Trainer, layers: &[LayerTimes]) {
    trainer.set_break_even(break_even(layers, LayerTimes::training));
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
    let limits = break_even(&layers, LayerTimes::inference);
    guide_executor(executor, &layers);
    let settings = grid(executor.elastic(), &limits);
    Ok(Profile { stamp, entries: entries(executor, &settings, input, rounds)?, layers })
}

/// What every kind within layers saves in each, forward and backward, on `threads` threads; a turn is as long as `rounds` of 2 ms, by three.
///
/// # Errors
/// When a kernel refuses a layer.
pub fn layer_times(elastic: &Elastic, input: &Batch, threads: usize, rounds: usize) -> Result<Vec<LayerTimes>> {
    const TURNS: usize = 3;
    let turn = Duration::from_micros(2000 * rounds as u64 / TURNS as u64);
    let batch = input.input.shape()[0];
    let trial = |learns| Trial { learns, threads, turns: (TURNS, turn) };
    let choices = |site: SiteId| -> Vec<Choice> { choices(&elastic.analysis().sites[site.0]).collect() };
    let mut found = Vec::new();
    for Seen { site, layer, learns } in measure::blocked_layers(elastic, batch)? {
        let choices = choices(site);
        let cuts: Vec<Cut> = choices.iter().map(|&choice| measure::cut(&layer, choice)).collect();
        found.extend(times_of(site, &choices, cuts_against_dense(&layer, &cuts, trial(learns))?));
    }
    for Seen { site, layer, learns } in measure::gradient_layers(elastic, batch)? {
        let choices = choices(site);
        let counts: Vec<usize> = choices.iter().map(|&choice| measure::count(&layer, choice)).collect();
        found.extend(times_of(site, &choices, tops_against_dense(&layer, &counts, trial(learns))?));
    }
    for Seen { site, layer, learns } in measure::input_layers(elastic, batch)? {
        let choices = choices(site);
        let counts: Vec<usize> = choices.iter().map(|choice| choice.density.kept(layer.inputs)).collect();
        found.extend(times_of(site, &choices, active_against_dense(layer, &counts, trial(learns))?));
    }
    Ok(found)
}

/// What was measured of a layer, in milliseconds, whole and at each choice.
fn times_of(site: SiteId, choices: &[Choice], (dense, some): (Times, Vec<Times>)) -> Vec<LayerTimes> {
    let seconds = |dense: f64, blocks: f64| Versus { dense: dense / 1e3, blocks: blocks / 1e3 };
    let times = |(&Choice { kind, density }, some): (&Choice, Times)| LayerTimes {
        site,
        kind,
        density,
        forward: seconds(dense.forward, some.forward),
        backward: seconds(dense.backward, some.backward),
    };
    choices.iter().zip(some).map(times).collect()
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
    guide_executor(executor, &profile.layers);
    profile.entries.iter().try_for_each(|entry| executor.prepare(&entry.setting))?;
    let menu = menu(model.elastic(), executor, known, calibration)?;
    let settings = distinct(everywhere(model.elastic(), &[Phase::Forward]).into_iter().chain(answers(&menu, profile)));
    let measured = entries(executor, &settings, input, effort.rounds)?;
    let mut rungs = Vec::with_capacity(measured.len());
    for entry in measured {
        executor.apply(&entry.setting)?;
        let quality = measure::score(executor, calibration)?.accuracy();
        rungs.push(Rung { cost: entry.cost(), setting: entry.setting, service: entry.service, quality });
    }
    let rungs = worth_answering(pareto(rungs));
    if rungs.len() < FEW_RUNGS {
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
    for site in (0..analysis.sites.len()).map(SiteId) {
        let mut offers = Vec::new();
        for choice in dense_setting.choice(site).into_iter().chain(offered(elastic, &BreakEven::new(), site)) {
            let setting = dense_setting.clone().with_choice(site, choice);
            let Some(entry) = known.profile.find(&setting) else { continue };
            let loss = match known.sensitivity {
                Some(measured) => measured.accuracy(&setting),
                None => dense_quality - accuracy(&setting)?,
            };
            let price = Amounts::of_seconds(entry.service.median() - dense);
            offers.push(Offer { choice, price, loss: loss.max(0.0) });
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
