//! A micro-suite on the live executor, and the timing model that fits it, component by component.
use crate::hog::Hog;
use crate::live::processor_time;
use crate::machine::Tid;
use crate::throttle::{Throttle, probe};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor, measure};
use supple_graph::Setting;
use supple_sim::mechanism::{Mechanism, Processor};
use supple_sim::timing::{Cold, Fit};
use supple_sim::{Calibration, Timing, Trace};
use supple_strategy::{Ladder, Nanos, Spread, Stamp};

/// Runs of each rung in a look at its service times.
const ROUNDS: usize = 40;
/// Shares that quotas are tried at.
const SHARES: [f64; 4] = [0.2, 0.3, 0.5, 0.8];
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
    ladder: &Ladder,
    batches: &[Batch],
    stamp: Stamp,
    period: Duration,
) -> Result<Calibration> {
    let input = batches.first().context("held-out data: expected at least one row")?;
    let settings: Vec<Setting> = ladder.rungs().iter().map(|rung| rung.setting.clone()).collect();
    settings.iter().try_for_each(|setting| executor.prepare(setting))?;
    let quality = qualities(executor, &settings, batches)?;
    let calm = measure::service_times(executor, &settings, &input.input, ROUNDS)?;
    let bandwidth = bandwidth(executor, &settings, input, &calm)?;
    let cold = cold(settings.len(), COLD_ROUNDS, |rung| {
        executor.apply(&settings[rung])?;
        Ok(executor.run(&input.input).map(drop)?)
    })?;
    let switch_s = switch(executor, &settings)?;
    let trials = trials(executor, &settings, input, &calm, period)?;
    let fits: Vec<Fit> = TICKS.iter().map(|&tick| fit(&trials, period, tick)).collect();
    let best = (0..fits.len()).min_by(|&a, &b| fits[a].error.total_cmp(&fits[b].error)).unwrap_or(0);
    let timing = Timing { tick_ms: TICKS[best], phase_ms: None, wake: Some(wake()?), switch_s, cold, bandwidth };
    let service = calm.into_iter().map(Spread::of).collect::<Result<_, _>>()?;
    Ok(Calibration { stamp, service, quality, timing, fits })
}

fn qualities(executor: &mut Executor, settings: &[Setting], batches: &[Batch]) -> Result<Vec<f64>> {
    let mut quality = Vec::with_capacity(settings.len());
    for setting in settings {
        executor.apply(setting)?;
        quality.push(measure::score(executor, batches)?.accuracy());
    }
    Ok(quality)
}

/// How many times longer, less one, each rung takes beside a neighbour that copies through memory all the time.
fn bandwidth(executor: &mut Executor, settings: &[Setting], input: &Batch, calm: &[Vec<f64>]) -> Result<Vec<f64>> {
    let hog = Hog::waiting()?;
    hog.start(vec![(Duration::ZERO, 0.0)], Instant::now())?;
    let beside = measure::service_times(executor, settings, &input.input, ROUNDS / 2);
    drop(hog);
    Ok(beside?.iter().zip(calm).map(|(beside, calm)| (median(beside) / median(calm) - 1.0).max(0.0)).collect())
}

/// What each rung takes more of the processor after the thread slept than right after itself: medians of the differences.
///
/// # Errors
/// Those of `run`, which runs a rung.
pub(crate) fn cold(rungs: usize, rounds: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<Cold> {
    let mut timed = |rung: usize| -> Result<f64> {
        let start = processor_time();
        run(rung)?;
        Ok((processor_time() - start).seconds())
    };
    let mut more = vec![vec![Vec::new(); AWAY.len()]; rungs];
    for _ in 0..rounds {
        for (rung, more) in more.iter_mut().enumerate() {
            for (away, more) in AWAY.iter().zip(more) {
                timed(rung)?;
                let warm = timed(rung)?;
                std::thread::sleep(*away);
                more.push(timed(rung)? - warm);
            }
        }
    }
    let added_s = more.iter().map(|more| more.iter().map(|more| median(more).max(0.0)).collect()).collect();
    Ok(Cold { away_s: AWAY.iter().map(Duration::as_secs_f64).collect(), added_s })
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
    calm: &[Vec<f64>],
    period: Duration,
) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for share in SHARES {
        for rung in [0, settings.len() - 1] {
            executor.apply(&settings[rung])?;
            executor.run(&input.input)?;
            for pace in [0.0, 2.0 * median(&calm[rung]) / share] {
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
