//! The machine's own speed during a live run, told by a small fixed piece of work of the same thread.
use crate::ladders::DENSITIES;
use crate::machine::processor_time;
use crate::training::Batches;
use crate::{Model, samples};
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::slice::from_ref;
use std::time::{Duration, Instant};
use supple_executor::{AdamConfig, Backend, Batch, Executor, Trainer};
use supple_graph::{Array, Density, Setting};
use supple_models::Data;
use supple_sim::{Allowance, Speeds, Trace, Watch};
use supple_strategy::Nanos;

/// Samples of a pass.
const ROWS: usize = 2;
/// Runs before the one that is timed: with them it takes the same, within 2 %, whatever ran before.
const WARM: usize = 2;
/// Samples of a step.
const STEP_ROWS: usize = 4;
/// Part of the processor time that the share gives which passes may take.
const PASSES: f64 = 0.01;
/// The same of steps, which take ten times as long.
const STEPS: f64 = 0.04;
/// Runs that tell what a run takes.
const TRIED: u32 = 8;
/// Part of the processor time that may pass besides: where more did, a quota stopped the thread or others went before, and what a gauge took is no measure.
const DISTURBED: f64 = 0.25;
/// Processor time in which the caches are as before. Where shorter work was stopped it mostly ended sooner, and a gauge after it took 5 to 40 % longer.
const SETTLED: Nanos = Nanos(5_000_000);

/// A small fixed piece of work: a model at its lowest density, on a few samples. It meets the same kernels, caches and processor as the work that it
/// runs beside, and depends on no request, no rung and no policy.
#[derive(Debug)]
pub struct Gauge {
    work: RefCell<Work>,
    /// Part of the processor time that the share gives which it may take.
    part: f64,
}

#[derive(Debug)]
enum Work {
    Pass { executor: Executor, input: Array },
    Step { trainer: Trainer, batch: Batch, setting: Setting },
}

impl Work {
    fn run(&mut self) -> Result<()> {
        match self {
            Self::Pass { executor, input } => drop(executor.run(input)?),
            Self::Step { trainer, batch, setting } => drop(trainer.step(batch, from_ref(setting))?),
        }
        Ok(())
    }
}

fn lowest(model: &Model) -> Setting {
    let lowest = DENSITIES.into_iter().filter_map(Density::new).min().unwrap_or(Density::FULL);
    model.elastic().analysis().uniform(lowest)
}

/// What it took.
#[derive(Clone, Copy, Debug)]
struct Took {
    /// The timed run, of the processor.
    seconds: f64,
    /// All runs, of the processor.
    cost: f64,
    /// Whether it ran without a stop.
    undisturbed: bool,
}

impl Gauge {
    /// For passes of this model: one forward.
    ///
    /// # Errors
    /// When the data are fewer than it needs, or the model cannot run.
    pub fn of(model: &Model, data: &Data, backend: Backend) -> Result<Self> {
        let setting = lowest(model);
        let mut executor = model.executor(backend)?;
        executor.prepare(&setting)?;
        executor.apply(&setting)?;
        let batches = samples::fresh(&data.held_out, ROWS);
        let input = batches.into_iter().next().context("held-out data: expected at least one row")?.input;
        Ok(Self { work: RefCell::new(Work::Pass { executor, input }), part: PASSES })
    }

    /// For training steps of this model: one of a trainer of its own.
    ///
    /// # Errors
    /// When the model cannot be trained.
    pub fn of_steps(model: &Model, data: &Data, backend: Backend) -> Result<Self> {
        let trainer = model.trainer(AdamConfig::default(), backend)?;
        let batch = Batches::new(&data.train, 0, STEP_ROWS).of_step(0);
        Ok(Self { work: RefCell::new(Work::Step { trainer, batch, setting: lowest(model) }), part: STEPS })
    }

    /// What it takes of the processor now, in seconds.
    ///
    /// # Errors
    /// When it cannot run.
    pub fn seconds(&self) -> Result<f64> {
        self.run().map(|took| took.seconds)
    }

    /// Runs for the caches, and once that is timed.
    fn run(&self) -> Result<Took> {
        let mut work = self.work.try_borrow_mut()?;
        let before = processor_time();
        for _ in 0..WARM {
            work.run()?;
        }
        let (start, begun) = (Instant::now(), processor_time());
        work.run()?;
        let (end, wall) = (processor_time(), start.elapsed().as_secs_f64());
        let (seconds, cost) = ((end - begun).seconds(), (end - before).seconds());
        Ok(Took { seconds, cost, undisturbed: is_undisturbed(wall, seconds) })
    }

    /// Does nothing else for so long, and tells how the machine's speed moves meanwhile. Stops when `stop` says so.
    ///
    /// # Errors
    /// As [`seconds`](Self::seconds).
    pub fn alone(&self, length: Duration, stop: impl Fn() -> bool) -> Result<Speeds> {
        let full = Trace::constant(1.0)?;
        let mut watching = Watching::new(self, &full)?;
        let origin = Instant::now();
        let period = Duration::from_nanos(watching.watch.period(Nanos::ZERO).0);
        while origin.elapsed() < length && !stop() {
            watching.take(Nanos(origin.elapsed().as_nanos() as u64), 1)?;
            std::thread::sleep(period);
        }
        Ok(watching.speeds)
    }
}

/// Whether nothing else ran during work that took so many seconds of the clock, and of the processor.
fn is_undisturbed(wall: f64, processor: f64) -> bool {
    wall <= (1.0 + DISTURBED) * processor
}

/// A gauge beside a run, and what it found.
#[derive(Debug)]
pub(crate) struct Watching<'a> {
    gauge: &'a Gauge,
    watch: Watch<'a>,
    /// Whether the work before was, or so long that it does not matter.
    undisturbed: bool,
    pub speeds: Speeds,
}

impl<'a> Watching<'a> {
    pub fn new(gauge: &'a Gauge, share: &'a Trace) -> Result<Self> {
        gauge.run()?;
        let costs = (0..TRIED).map(|_| gauge.run().map(|took| took.cost)).sum::<Result<f64>>()?;
        let cost = Nanos::from_seconds(costs / f64::from(TRIED));
        let allowance = Allowance { cost, part: gauge.part };
        Ok(Self { gauge, watch: Watch::new(share, allowance), undisturbed: true, speeds: Speeds::default() })
    }

    /// What the gauge takes of the processor.
    pub fn allowance(&self) -> Allowance {
        self.watch.allowance()
    }

    /// After work that took so long by the clock, and of the processor.
    pub fn worked(&mut self, wall: Nanos, processor: Nanos) {
        self.undisturbed = processor >= SETTLED || is_undisturbed(wall.seconds(), processor.seconds());
    }

    /// In an idle gap of this length.
    pub fn idle(&mut self, now: Nanos, gap: Nanos) -> Result<()> {
        let count = self.watch.idle(now, gap);
        self.take(now, count)
    }

    /// After an idle gap.
    pub fn waited(&mut self, now: Nanos) {
        self.watch.waited(now);
    }

    /// Between two pieces of work without a gap.
    pub fn busy(&mut self, now: Nanos) -> Result<()> {
        let count = self.watch.busy(now);
        self.take(now, count)
    }

    fn take(&mut self, now: Nanos, count: u64) -> Result<()> {
        for _ in 0..count {
            let took = self.gauge.run()?;
            if took.undisturbed && self.undisturbed {
                self.speeds.push(now, took.seconds);
            }
        }
        Ok(())
    }
}
