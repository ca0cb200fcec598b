//! A micro-suite on the live executor, and the timing model that fits it, component by component.
use crate::gauge::Gauge;
use crate::hog::Hog;
use crate::ladders::guide_executor;
use crate::machine::{Tid, processor_time};
use crate::throttle::{Throttle, probe};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor, measure};
use supple_graph::Setting;
use supple_sim::mechanism::{Mechanism, Processor};
use supple_sim::speeds::geometric_mean;
use supple_sim::timing::{Cold, Fit};
use supple_sim::{Calibration, Look, Looks, Timing, Trace, timing};
use supple_strategy::{Ladder, Nanos, Spread};

/// Turns of all rungs, at least, and how long they go on: the machine's speed should move meanwhile.
const TURNS: (usize, Duration) = (16, Duration::from_secs(20));
/// Runs of a rung before those that are timed: with fewer it takes longer than when it has run for long.
const WARM: usize = 4;
/// Runs of a rung in a row that are timed.
const TIMED: usize = 2;
/// How long a neighbour takes all memory bandwidth, and then none, and how often.
const NEIGHBOUR: (Duration, u32) = (Duration::from_millis(500), 12);
/// Shares that quotas are tried at, ascending.
const SHARES: [f64; 4] = [0.2, 0.3, 0.5, 0.8];
/// The share below which the model of the quota is not known to hold.
pub(crate) const LEAST_SHARE: f64 = SHARES[0];
/// How long each quota is tried.
const TRIAL: Duration = Duration::from_millis(1500);
/// Ticks that kernels are built with, in milliseconds (`CONFIG_HZ` of 1000, 250 and 100), and an exact quota.
const TICKS: [f64; 4] = [0.0, 1.0, 4.0, 10.0];
/// Waits, and how long each is.
const WAITS: (usize, Duration) = (200, Duration::from_millis(3));
/// How long the thread sleeps before work that is to meet cold caches.
const AWAY: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(3), Duration::from_millis(10), Duration::from_millis(30)];
/// How often each rung is run after each of these.
const COLD_ROUNDS: usize = 15;
/// Changes of the rung.
const SWITCHES: u32 = 2000;

/// Pieces of work under a quota, one after another or with pauses between them.
struct Trial {
    share: f64,
    /// Whether there were pauses between the pieces.
    paused: bool,
    /// Runs of a spinning thread just before.
    probe: Vec<Duration>,
    work: Vec<Piece>,
}

#[derive(Clone, Copy)]
struct Piece {
    /// When it was awake to begin; the end of the piece before where there is no pause.
    begun: Nanos,
    ended: Nanos,
    /// What it took of the processor.
    service: Nanos,
}

/// Measures the components on this thread and fits the timing model.
///
/// # Errors
/// When a rung cannot be run or the share cannot be applied.
pub fn calibrate(
    executor: &mut Executor,
    gauge: &Gauge,
    ladder: &Ladder,
    batches: &[Batch],
    period: Duration,
) -> Result<Calibration> {
    let input = batches.first().context("held-out data: expected at least one row")?;
    let settings = settings(executor, ladder)?;
    let quality = qualities(executor, &settings, batches)?;
    let start = Instant::now();
    let looks = turns(executor, gauge, &settings, input, start, |count| count < TURNS.0 || start.elapsed() < TURNS.1)?;
    let powers = looks.powers(settings.len());
    let (gauge_bandwidth, bandwidth) = bandwidth(executor, gauge, &settings, input)?;
    let cold = cold(settings.len(), |rung| {
        executor.apply(&settings[rung])?;
        Ok(executor.run(&input.input).map(drop)?)
    })?;
    let cold = Cold { changed_s: looks.changed(settings.len()), ..cold };
    let service = looks.services(&powers)?;
    let switch_s = switch(executor, &settings)?;
    let trials = trials(executor, &settings, input, &service, period)?;
    let fits: Vec<Fit> = TICKS.iter().map(|&tick| fit(&trials, period, tick)).collect();
    let best = (0..fits.len()).min_by(|&a, &b| fits[a].error.total_cmp(&fits[b].error)).unwrap_or(0);
    let timing =
        Timing { tick_ms: TICKS[best], phase_ms: None, wake: Some(wake()?), switch_s, cold, bandwidth, powers };
    let gauge = timing::Gauge { seconds: looks.reference(), bandwidth: gauge_bandwidth };
    Ok(Calibration { stamp: ladder.stamp.clone(), service, quality, timing, gauge, fits })
}

/// The rungs' settings, ready to be run as the ladder's measurements say.
///
/// # Errors
/// When the model has no such setting.
pub(crate) fn settings(executor: &mut Executor, ladder: &Ladder) -> Result<Vec<Setting>> {
    guide_executor(executor, &ladder.layers);
    let settings: Vec<Setting> = ladder.rungs().iter().map(|rung| rung.setting.clone()).collect();
    settings.iter().try_for_each(|setting| executor.prepare(setting))?;
    Ok(settings)
}

/// What all rungs and the gauge take of the processor, turn after turn, as long as there are to be `more` than so many; times count from `origin`. A rung runs in a row, as it mostly
/// does where requests are served: the caches then hold its weights.
///
/// # Errors
/// When a rung cannot be run.
pub(crate) fn turns(
    executor: &mut Executor,
    gauge: &Gauge,
    settings: &[Setting],
    input: &Batch,
    origin: Instant,
    mut more: impl FnMut(usize) -> bool,
) -> Result<Looks> {
    let mut looks = Looks::default();
    for turn in 0.. {
        if !more(turn) {
            break;
        }
        for (rung, setting) in settings.iter().enumerate() {
            executor.apply(setting)?;
            let when = Nanos(origin.elapsed().as_nanos() as u64);
            let run = || timed(|| Ok(executor.run(&input.input).map(drop)?));
            let changed = run()?;
            (1..WARM).try_for_each(|_| run().map(drop))?;
            let times = (0..TIMED).map(|_| run()).collect::<Result<_>>()?;
            looks.0.push(Look { when, rung, changed, times, gauge: gauge.seconds()? });
        }
    }
    Ok(looks)
}

/// What some work takes of the processor, in seconds.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = processor_time();
    work()?;
    Ok((processor_time() - start).seconds())
}

fn qualities(executor: &mut Executor, settings: &[Setting], batches: &[Batch]) -> Result<Vec<f64>> {
    let mut quality = Vec::with_capacity(settings.len());
    for setting in settings {
        executor.apply(setting)?;
        quality.push(measure::score(executor, batches)?.accuracy());
    }
    Ok(quality)
}

/// How many times longer, less one, the gauge and each rung take beside a neighbour that copies through memory all the time. It comes and goes, so that the
/// machine's speed is the same with it and without.
fn bandwidth(executor: &mut Executor, gauge: &Gauge, settings: &[Setting], input: &Batch) -> Result<(f64, Vec<f64>)> {
    let (span, count) = NEIGHBOUR;
    let hog = Hog::waiting()?;
    let origin = Instant::now();
    hog.start((0..count).map(|slot| (span * slot, f64::from((slot + 1) % 2))).collect(), origin)?;
    let mut both = [Looks::default(), Looks::default()];
    for slot in 0..count {
        let end = span * (slot + 1);
        let found = turns(executor, gauge, settings, input, origin, |_| origin.elapsed() < end)?;
        both[slot as usize % 2].0.extend(found.0);
    }
    let [without, beside] = both;
    let longer = |times: fn(&Look) -> Vec<f64>, rung: Option<usize>| {
        let of = |looks: &Looks| {
            let looks = looks.0.iter().filter(|look| rung.is_none_or(|rung| look.rung == rung));
            geometric_mean(&looks.flat_map(times).collect::<Vec<_>>())
        };
        (of(&beside) / of(&without) - 1.0).max(0.0)
    };
    let rungs = (0..settings.len()).map(|rung| longer(|look| look.times.clone(), Some(rung))).collect();
    Ok((longer(|look| vec![look.gauge], None), rungs))
}

/// What each rung takes more of the processor after the thread slept than right after itself: medians of the differences.
///
/// # Errors
/// Those of `run`, which runs a rung.
fn cold(rungs: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<Cold> {
    let mut more = vec![vec![Vec::new(); AWAY.len()]; rungs];
    for _ in 0..COLD_ROUNDS {
        for (rung, more) in more.iter_mut().enumerate() {
            for (away, more) in AWAY.iter().zip(more) {
                (0..WARM).try_for_each(|_| run(rung))?;
                let warm = timed(|| run(rung))?;
                std::thread::sleep(*away);
                more.push(timed(|| run(rung))? - warm);
            }
        }
    }
    let added_s = more.iter().map(|more| more.iter().map(|more| median(more).max(0.0)).collect()).collect();
    Ok(Cold { away_s: AWAY.iter().map(Duration::as_secs_f64).collect(), added_s, changed_s: Vec::new() })
}

/// Mean time of a change of the rung, in seconds.
fn switch(executor: &mut Executor, settings: &[Setting]) -> Result<f64> {
    let start = Instant::now();
    for turn in 0..SWITCHES as usize {
        executor.apply(&settings[turn % settings.len()])?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(SWITCHES))
}

/// By how much waits end too late.
fn wake() -> Result<Spread> {
    let (count, span) = WAITS;
    let late = (0..count).map(|_| {
        let start = Instant::now();
        std::thread::sleep(span);
        (start.elapsed() - span).as_secs_f64()
    });
    Ok(Spread::of(late.collect())?)
}

/// The dense and the cheapest rung under quotas, without pauses and at half of what the share can do.
fn trials(
    executor: &mut Executor,
    settings: &[Setting],
    input: &Batch,
    service: &[Spread],
    period: Duration,
) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for share in SHARES {
        for rung in [0, settings.len() - 1] {
            executor.apply(&settings[rung])?;
            executor.run(&input.input)?;
            for pace in [0.0, 2.0 * service[rung].median() / share] {
                trials.push(trial(executor, input, share, Duration::from_secs_f64(pace), period)?);
            }
        }
    }
    Ok(trials)
}

fn trial(executor: &mut Executor, input: &Batch, share: f64, pace: Duration, period: Duration) -> Result<Trial> {
    let mut throttle = Throttle::open(&[Tid::current()], period).context("applying the CPU share")?;
    let probe = probe::runs(&mut throttle)?;
    throttle.set_share(share)?;
    let origin = Instant::now();
    let now = || Nanos(origin.elapsed().as_nanos() as u64);
    let mut work: Vec<Piece> = Vec::new();
    let mut next = Duration::ZERO;
    while origin.elapsed() < TRIAL {
        std::thread::sleep(next.saturating_sub(origin.elapsed()));
        let begun = work.last().filter(|_| pace.is_zero()).map_or_else(now, |last| last.ended);
        let start = processor_time();
        executor.run(&input.input)?;
        let service = processor_time() - start;
        work.push(Piece { begun, ended: now(), service });
        next += pace;
    }
    Ok(Trial { share, paused: !pace.is_zero(), probe, work })
}

/// How far a model of the quota with this tick is from the trials.
fn fit(trials: &[Trial], period: Duration, tick_ms: f64) -> Fit {
    let mechanism =
        Mechanism::Quota { period: Nanos(period.as_nanos() as u64), tick: Nanos::from_seconds(tick_ms / 1e3) };
    let errors: Vec<f64> = trials.iter().filter_map(|trial| trial.error(mechanism, tick_ms)).collect();
    Fit { model: format!("quota with a tick of {tick_ms} ms"), error: mean(&errors) }
}

impl Trial {
    /// Mean relative error of mean, median and 95th percentile of the latencies; `None` where the model cannot say.
    fn error(&self, mechanism: Mechanism, tick_ms: f64) -> Option<f64> {
        let trace = Trace::constant(self.share).ok()?;
        let mut processor = Processor::new(&trace, mechanism);
        if let Some(phase) = probe::phase_ms(&self.probe, tick_ms) {
            processor = processor.with_phase(Nanos::from_seconds(phase / 1e3));
        }
        let mut modelled = Vec::with_capacity(self.work.len());
        for piece in &self.work {
            let begun = if self.paused { piece.begun.max(processor.now()) } else { processor.now() };
            processor.wait(begun);
            processor.work(piece.service).ok()?;
            modelled.push((processor.now() - begun).millis());
        }
        let live = self.work.iter().map(|piece| (piece.ended - piece.begun).millis()).collect();
        let (live, modelled) = (figures(live), figures(modelled));
        Some(live.iter().zip(modelled).map(|(live, model)| (model / live - 1.0).abs()).sum::<f64>() / 3.0)
    }
}

/// Mean, median and 95th percentile.
fn figures(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0.0);
    [mean(&values), rank(50), rank(95)]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn median(values: &[f64]) -> f64 {
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    ascending.get(ascending.len() / 2).copied().unwrap_or(0.0)
}
