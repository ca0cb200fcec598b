//! The machine's own speed during a live run, told by a small fixed piece of work of the same thread.
use crate::ladders::DENSITIES;
use crate::machine::processor_time;
use crate::{Model, samples};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use supple_executor::{Backend, Executor};
use supple_graph::{Array, Density};
use supple_models::Data;
use supple_sim::{Speeds, Trace, Watch};
use supple_strategy::Nanos;

/// Samples that the gauge computes.
const ROWS: usize = 2;
/// Runs before the one that is timed: with them it takes the same, within 2 %, whatever ran before.
const WARM: usize = 2;
/// Runs that tell what a run takes.
const TRIED: u32 = 8;
/// Part of its processor time that may pass besides: where more did, a quota stopped it or others went before, and what it took is no measure.
const DISTURBED: f64 = 0.25;

/// A small fixed piece of work: a model at its lowest density, on a few samples. It meets the same kernels, caches and processor as the work that it
/// runs beside, and depends on no request, no rung and no policy.
#[derive(Debug)]
pub struct Gauge {
    executor: Executor,
    input: Array,
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
    /// The gauge that this model makes.
    ///
    /// # Errors
    /// When the data are fewer than it needs, or the model cannot run.
    pub fn of(model: &Model, data: &Data, backend: Backend) -> Result<Self> {
        let lowest = DENSITIES.into_iter().filter_map(Density::new).min().unwrap_or(Density::FULL);
        let setting = model.elastic().analysis().uniform(lowest);
        let mut executor = model.executor(backend)?;
        executor.prepare(&setting)?;
        executor.apply(&setting)?;
        let batches = samples::fresh(&data.held_out, ROWS);
        let input = batches.into_iter().next().context("held-out data: expected at least one row")?.input;
        Ok(Self { executor, input })
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
        let before = processor_time();
        for _ in 0..WARM {
            self.executor.run(&self.input)?;
        }
        let (start, begun) = (Instant::now(), processor_time());
        self.executor.run(&self.input)?;
        let (end, wall) = (processor_time(), start.elapsed().as_secs_f64());
        let (seconds, cost) = ((end - begun).seconds(), (end - before).seconds());
        Ok(Took { seconds, cost, undisturbed: wall <= (1.0 + DISTURBED) * seconds })
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

/// A gauge beside a run, and what it found.
#[derive(Debug)]
pub(crate) struct Watching<'a> {
    gauge: &'a Gauge,
    watch: Watch<'a>,
    pub speeds: Speeds,
}

impl<'a> Watching<'a> {
    pub fn new(gauge: &'a Gauge, share: &'a Trace) -> Result<Self> {
        gauge.run()?;
        let costs = (0..TRIED).map(|_| gauge.run().map(|took| took.cost)).sum::<Result<f64>>()?;
        let cost = Nanos::from_seconds(costs / f64::from(TRIED));
        Ok(Self { gauge, watch: Watch::new(share, cost), speeds: Speeds::default() })
    }

    /// What one run takes of the processor.
    pub fn cost(&self) -> Nanos {
        self.watch.cost()
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
            if took.undisturbed {
                self.speeds.push(now, took.seconds);
            }
        }
        Ok(())
    }
}
