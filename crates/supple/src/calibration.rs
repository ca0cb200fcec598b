//! A micro-suite on the live executor, and the timing model that fits it, component by component.
mod neighbour;
mod quota;

use crate::gauge::Gauge;
use crate::ladders::guide_executor;
use crate::machine::on_processor;
use anyhow::{Context, Result};
pub(crate) use quota::LEAST_SHARE;
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor, measure};
use supple_graph::Setting;
use supple_sim::timing::Cold;
use supple_sim::{Calibration, Look, Looks, Timing, timing};
use supple_strategy::{Ladder, Nanos, Spread};

/// Turns of all rungs, at least, and how long they go on: the machine's speed should move meanwhile.
const TURNS: (usize, Duration) = (16, Duration::from_secs(20));
/// Runs of a rung before those that are timed: with fewer it takes longer than when it has run for long.
const WARM: usize = 4;
/// Runs of a rung in a row that are timed.
const TIMED: usize = 2;
/// Waits, and how long each is.
const WAITS: (usize, Duration) = (200, Duration::from_millis(3));
/// How long the thread sleeps before work that is to meet cold caches.
const AWAY: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(3), Duration::from_millis(10), Duration::from_millis(30)];
/// How often each rung is run after each of these.
const COLD_ROUNDS: usize = 15;
/// Changes of the rung.
const SWITCHES: u32 = 2000;

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
    let service = looks.services(&powers)?;
    let dearest = service.iter().map(Spread::median).fold(0.0, f64::max);
    let dearest = Duration::from_secs_f64(dearest);
    let (gauge_bandwidth, bandwidth) = neighbour::bandwidth(executor, gauge, &settings, input, dearest)?;
    let cold = cold(settings.len(), |rung| {
        executor.apply(&settings[rung])?;
        Ok(executor.run(&input.input).map(drop)?)
    })?;
    let cold = Cold { changed_s: looks.changed(settings.len()), ..cold };
    let switch_s = switch(executor, &settings)?;
    let (wake, wait_s) = wake()?;
    let wait = Nanos::from_seconds(wait_s);
    let (tick_ms, fits) = quota::ticks(executor, (&settings, &service), input, period, wait)?;
    let timing = Timing { tick_ms, phase_ms: None, wake: Some(wake), wait_s, switch_s, cold, bandwidth, powers };
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
            let run = || on_processor(|| Ok(executor.run(&input.input).map(drop)?));
            let changed = run()?;
            (1..WARM).try_for_each(|_| run().map(drop))?;
            let times = (0..TIMED).map(|_| run()).collect::<Result<_>>()?;
            looks.0.push(Look { when, rung, changed, times, gauge: gauge.seconds()? });
        }
    }
    Ok(looks)
}

fn qualities(executor: &mut Executor, settings: &[Setting], batches: &[Batch]) -> Result<Vec<f64>> {
    let mut quality = Vec::with_capacity(settings.len());
    for setting in settings {
        executor.apply(setting)?;
        quality.push(measure::score(executor, batches)?.accuracy());
    }
    Ok(quality)
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
                let warm = on_processor(|| run(rung))?;
                std::thread::sleep(*away);
                more.push(on_processor(|| run(rung))? - warm);
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

/// By how much waits end too late, and the mean of what they take of the processor, both in seconds.
fn wake() -> Result<(Spread, f64)> {
    let (count, span) = WAITS;
    let (mut late, mut taken) = (Vec::with_capacity(count), 0.0);
    for _ in 0..count {
        let start = Instant::now();
        taken += on_processor(|| {
            std::thread::sleep(span);
            Ok(())
        })?;
        late.push((start.elapsed() - span).as_secs_f64());
    }
    Ok((Spread::of(late)?, taken / count as f64))
}

fn median(values: &[f64]) -> f64 {
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    ascending.get(ascending.len() / 2).copied().unwrap_or(0.0)
}
