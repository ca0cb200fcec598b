//! `supple bench`
use super::{End, Opened, bench_analyze, bench_kernels, bench_sim, table};
use crate::allocations;
use crate::ladders::{self, DENSITIES, Everywhere};
use crate::model::Model;
use crate::options::{BenchCommand, Common, Source};
use anyhow::Result;
use std::hint::black_box;
use std::time::Instant;
use supple_executor::{AdamConfig, Backend, Batch, Executor, THINNING_STEPS, Trainer, measure};
use supple_graph::kinds::Token;
use supple_graph::{Density, Phase, Setting, SparsityKind};
use supple_strategy::policies::{self, PolicyOptions};
use supple_strategy::{Amounts, Completion, Demand, Ladder, Nanos, Observation, Policy, Rung, Spread, Stamp};

/// Switches and decisions measured.
const TURNS: u32 = 200_000;

/// How often they are measured.
const ROUNDS_OF_TURNS: usize = 3;

/// Runs of each density.
const ROUNDS: usize = 60;

/// Turns of training at each density.
const TURNS_OF_STEPS: usize = 3;

/// Runs a benchmark.
///
/// # Errors
/// When the model cannot be read.
pub fn run(what: &BenchCommand) -> Result<End> {
    match what {
        BenchCommand::Switch { json } => switch(*json),
        BenchCommand::Kernels(options) => bench_kernels::run(options),
        BenchCommand::Sim { events, rounds, json } => bench_sim::run(*events, *rounds, *json),
        BenchCommand::Analyze(options) => bench_analyze::run(options),
        BenchCommand::Density { source, batch, train, kind, common } => {
            density(source, *batch, *train, kind.as_deref(), common)
        }
    }
}

/// Eight rungs of the shipped model, with made-up times: what a decision costs does not depend on them.
fn rungs(model: &Model) -> Result<Ladder> {
    let rung = |(i, density): (usize, Density)| {
        let seconds = 1e-3 * density.fraction();
        Ok(Rung {
            setting: model.elastic().analysis().uniform(density),
            cost: Amounts::of_seconds(seconds),
            service: Spread::of(vec![seconds])?,
            quality: 0.97 - 0.01 * i as f64,
        })
    };
    let rungs = DENSITIES.into_iter().filter_map(Density::new).enumerate().map(rung).collect::<Result<_>>()?;
    Ok(Ladder::new(Stamp::default(), rungs)?)
}

/// What switches and decisions cost.
#[derive(Debug, Default)]
struct Turns {
    switch_ns: f64,
    decision_ns: f64,
    /// Of the whole process: a thread of a pool that goes to rest meanwhile may make one.
    allocations: usize,
}

fn turns(executor: &mut Executor, policy: &mut dyn Policy, ladder: &Ladder) -> Result<Turns> {
    let before = allocations();
    let start = Instant::now();
    for turn in 0..TURNS {
        let rung = turn as usize * 5 % ladder.rungs().len();
        executor.apply(black_box(&ladder.rungs()[rung].setting))?;
    }
    let switch_ns = start.elapsed().as_nanos() as f64 / f64::from(TURNS);
    let start = Instant::now();
    for turn in 0..TURNS {
        black_box(policy.decide(black_box(&observation(turn)), ladder));
    }
    let decision_ns = start.elapsed().as_nanos() as f64 / f64::from(TURNS);
    Ok(Turns { switch_ns, decision_ns, allocations: allocations() - before })
}

/// Switches and decisions on the shipped model, in the round with the fewest allocations.
fn switch(json: bool) -> Result<End> {
    let model = Model::demo()?;
    let ladder = rungs(&model)?;
    let mut executor = model.executor(Backend::preferred()?)?;
    ladder.rungs().iter().try_for_each(|rung| executor.prepare(&rung.setting))?;
    let mut policy = policies::by_name("kalman", &PolicyOptions::default(), &Demand::default())?;
    let mut least: Option<Turns> = None;
    for _ in 0..ROUNDS_OF_TURNS {
        let turns = turns(&mut executor, policy.as_mut(), &ladder)?;
        if least.as_ref().is_none_or(|least| turns.allocations < least.allocations) {
            least = Some(turns);
        }
    }
    let Turns { switch_ns, decision_ns, allocations } = least.unwrap_or_default();
    if json {
        let figures =
            serde_json::json!({ "switch_ns": switch_ns, "decision_ns": decision_ns, "allocations": allocations });
        println!("{figures}");
    } else {
        let row = vec![format!("{switch_ns:.1}"), format!("{decision_ns:.1}"), allocations.to_string()];
        println!("{}", table(&["switch ns", "decision ns", "allocations"], [row]));
    }
    Ok(End::Done)
}

/// A moving slow-down and a changing queue.
fn observation(turn: u32) -> Observation {
    let rung = turn as usize % DENSITIES.len();
    let took = Nanos(u64::from(400_000 + turn % 7 * 300_000));
    Observation {
        now: Nanos(u64::from(turn) * 1_000_000),
        remaining: Nanos(u64::from(500_000 + turn % 11 * 250_000)),
        queued: turn as usize % 3,
        remaining_of_last: Nanos(4_000_000),
        finished: Some(Completion { rung, took }),
    }
}

/// The mean step of each turn at each setting: weights within layers are chosen in one step of each.
fn step_times(trainer: &mut Trainer, settings: &[Setting], input: &Batch) -> Result<Vec<Vec<f64>>> {
    let times = measure::step_times(trainer, settings, input, [TURNS_OF_STEPS, THINNING_STEPS])?;
    let mean = |turn: &[f64]| turn.iter().sum::<f64>() / turn.len() as f64;
    Ok(times.iter().map(|times| times.chunks(THINNING_STEPS).map(mean).collect()).collect())
}

/// Measures every density of axes, within weights and of tokens: runs, or steps of training. Of tokens alone without measuring layers before.
fn density(source: &Source, batch: usize, train: bool, kind: Option<&str>, common: &Common) -> Result<End> {
    let Opened { model, mut executor, batches, .. } = source.open(common, batch)?;
    let input = &batches[0];
    let within = kind != Some(Token.name());
    let layers = match executor.kernel_threads().filter(|_| within) {
        Some(threads) => ladders::layer_times(model.elastic(), input, threads, ROUNDS)?,
        None => Vec::new(),
    };
    let wanted = |everywhere: &Everywhere| {
        kind.is_none_or(|kind| everywhere.density == Density::FULL || everywhere.kind == kind)
    };
    let phases = &Phase::ALL[..if train { 3 } else { 1 }];
    let all: Vec<Everywhere> = ladders::uniform(model.elastic(), phases).filter(wanted).collect();
    let settings: Vec<Setting> = all.iter().map(|everywhere| everywhere.setting.clone()).collect();
    let (times, what) = if train {
        let trainer = model.trainer(AdamConfig::default(), executor.backend())?;
        let mut trainer = trainer.with_threads(usize::from(source.threads));
        ladders::guide_trainer(&mut trainer, &layers);
        (step_times(&mut trainer, &settings, input)?, "step_ms")
    } else {
        ladders::guide_executor(&mut executor, &layers);
        settings.iter().try_for_each(|setting| executor.prepare(setting))?;
        (measure::service_times(&mut executor, &settings, &input.input, ROUNDS)?, "forward_ms")
    };
    let times = times.into_iter().map(|times| Ok(Spread::of(times)?.median())).collect::<Result<Vec<f64>>>()?;
    let mut rows = Vec::new();
    for (Everywhere { kind, density, setting }, seconds) in all.iter().zip(&times) {
        let work = phases.iter().map(|&phase| model.elastic().work(setting, batch, phase));
        let flops: f64 = work.map(|work| Ok(work?.flops)).sum::<Result<f64>>()?;
        let density = density.per_mille();
        let (milliseconds, speed_up, gflops) = (1e3 * seconds, times[0] / seconds, flops / seconds / 1e9);
        if common.json {
            let line = serde_json::json!({ "kind": kind, "density": density, "batch": batch, "threads": source.threads,
                what: milliseconds, "speed_up": speed_up, "gflops": gflops });
            println!("{line}");
        }
        let figures = [format!("{milliseconds:.3}"), format!("{speed_up:.2}x"), format!("{gflops:.1}")];
        rows.push([(*kind).to_owned(), density.to_string()].into_iter().chain(figures).collect());
    }
    if !common.json {
        println!("{}", table(&["kind", "density", "p50 ms", "speed-up", "GFLOP/s"], rows));
    }
    Ok(End::Done)
}
