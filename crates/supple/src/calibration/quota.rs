//! The share by quota: which model of it fits what pieces of work met under it.
use crate::machine::{Tid, processor_time};
use crate::throttle::{Throttle, probe};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor};
use supple_graph::Setting;
use supple_sim::Trace;
use supple_sim::mechanism::{Mechanism, Processor};
use supple_sim::timing::Fit;
use supple_strategy::{Nanos, Spread};

/// Shares that quotas are tried at, ascending.
const SHARES: [f64; 4] = [0.2, 0.3, 0.5, 0.8];
/// The share below which the model of the quota is not known to hold.
pub(crate) const LEAST_SHARE: f64 = SHARES[0];
/// How long each quota is tried.
const TRIAL: Duration = Duration::from_millis(1500);
/// Ticks that kernels are built with, in milliseconds (`CONFIG_HZ` of 1000, 250 and 100), and an exact quota.
const TICKS: [f64; 4] = [0.0, 1.0, 4.0, 10.0];
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

/// How far a model with each tick is from the trials, and the tick that the machine has, in milliseconds: by how long a spinning thread ran on, and where that leaves
/// a choice, by which model is nearest.
///
/// # Errors
/// When a rung cannot be run or the share cannot be applied.
pub(super) fn ticks(
    executor: &mut Executor,
    (settings, service): (&[Setting], &[Spread]),
    input: &Batch,
    period: Duration,
    wait: Nanos,
) -> Result<(f64, Vec<Fit>)> {
    let trials = trials(executor, settings, input, service, period)?;
    let fits: Vec<Fit> = TICKS.iter().map(|&tick| fit(&trials, period, tick, wait)).collect();
    let probes: Vec<Vec<Duration>> = trials.into_iter().map(|trial| trial.probe).collect();
    let agreed = probe::agreed(&probes, TICKS);
    let left = TICKS.into_iter().zip(&fits).filter(|(tick, _)| agreed.contains(tick));
    let best = left.min_by(|(_, a), (_, b)| a.error.total_cmp(&b.error));
    Ok((best.map_or(0.0, |(tick, _)| tick), fits))
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
fn fit(trials: &[Trial], period: Duration, tick_ms: f64, wait: Nanos) -> Fit {
    let mechanism =
        Mechanism::Quota { period: Nanos(period.as_nanos() as u64), tick: Nanos::from_seconds(tick_ms / 1e3) };
    let errors: Vec<f64> = trials.iter().filter_map(|trial| trial.error(mechanism, tick_ms, wait)).collect();
    Fit { model: format!("quota with a tick of {tick_ms} ms"), error: mean(&errors) }
}

impl Trial {
    /// Mean relative error of mean, median and 95th percentile of the latencies, where a wait takes so much of the processor; `None` where the model cannot say.
    fn error(&self, mechanism: Mechanism, tick_ms: f64, wait: Nanos) -> Option<f64> {
        let trace = Trace::constant(self.share).ok()?;
        let mut processor = Processor::new(&trace, mechanism);
        if let Some(phase) = probe::phase_ms(&self.probe, tick_ms) {
            processor = processor.with_phase(Nanos::from_seconds(phase / 1e3));
        }
        let mut modelled = Vec::with_capacity(self.work.len());
        for piece in &self.work {
            let begun = if self.paused { piece.begun.max(processor.now()) } else { processor.now() };
            processor.wait(begun);
            processor.spend(if self.paused { wait } else { Nanos::ZERO });
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
