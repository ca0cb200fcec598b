//! Memory bandwidth: what a neighbour that copies does to work.
use crate::gauge::Gauge;
use crate::hog::Hog;
use crate::machine::on_processor;
use anyhow::Result;
use std::time::{Duration, Instant};
use supple_executor::{Batch, Executor};
use supple_graph::Setting;
use supple_sim::shrinkage::{Estimate, shrunk};
use supple_sim::speeds::geometric_mean;

/// How long the neighbour copies, and then does not, at least: about as long as the machine stays in one of its states, so that drifts cancel.
const SLOT: Duration = Duration::from_millis(20);
/// Runs of the dearest rung that a slot has room for.
const RUNS: u32 = 6;
/// How late the neighbour follows.
const LATE: Duration = Duration::from_millis(3);
/// How long all slots take, at least, and pairs of slots a rung has, at least.
const TRIED: (Duration, u32) = (Duration::from_secs(16), 3);

/// What was found in a slot, in seconds: of a rung, and of the gauge beside it.
#[derive(Default)]
struct Slot {
    times: Vec<f64>,
    gauge: Vec<f64>,
}

/// Pairs of slots, one with the neighbour and one without; the rungs take turns, pair by pair.
struct Plan {
    slot: Duration,
    pairs: u32,
    rungs: u32,
}

impl Plan {
    fn new(rungs: u32, dearest: Duration) -> Self {
        let slot = SLOT.max(dearest * RUNS);
        let pairs = (TRIED.0.as_secs_f64() / 2.0 / slot.as_secs_f64()).ceil() as u32;
        Self { slot, pairs: pairs.max(TRIED.1 * rungs).next_multiple_of(rungs), rungs }
    }

    /// Whether the neighbour copies in this slot: in the first of a pair and in the second as often.
    fn beside(&self, slot: u32) -> bool {
        slot.is_multiple_of(2) != (slot / 2 / self.rungs).is_multiple_of(2)
    }

    /// What it leaves free, and from when on.
    fn changes(&self) -> Vec<(Duration, f64)> {
        (0..2 * self.pairs).map(|slot| (self.slot * slot, f64::from(u8::from(!self.beside(slot))))).collect()
    }

    /// From when to when a slot is as it says.
    fn span(&self, slot: u32, origin: Instant) -> (Instant, Instant) {
        (origin + self.slot * slot + LATE, origin + self.slot * (slot + 1))
    }
}

/// How many times longer, less one, the gauge and each rung take beside a neighbour that copies through memory all the time, by pairs of slots; the rungs'
/// figures are drawn to their common one. `dearest` is about what the dearest rung takes.
///
/// # Errors
/// When a rung cannot be run.
pub(super) fn bandwidth(
    executor: &mut Executor,
    gauge: &Gauge,
    settings: &[Setting],
    input: &Batch,
    dearest: Duration,
) -> Result<(f64, Vec<f64>)> {
    let plan = Plan::new(settings.len() as u32, dearest);
    let (hog, origin) = (Hog::waiting()?, Instant::now());
    hog.start(plan.changes(), origin)?;
    let (mut longer, mut gauge_longer) = (vec![Vec::new(); settings.len()], Vec::new());
    for pair in 0..plan.pairs {
        let rung = (pair % plan.rungs) as usize;
        executor.apply(&settings[rung])?;
        let mut both = [Slot::default(), Slot::default()];
        for slot in [2 * pair, 2 * pair + 1] {
            both[usize::from(plan.beside(slot))] = look(executor, gauge, input, plan.span(slot, origin))?;
        }
        let [without, beside] = both;
        longer[rung].push(ratio(&beside.times, &without.times));
        gauge_longer.push(ratio(&beside.gauge, &without.gauge));
    }
    let estimates: Vec<Estimate> = longer.iter().map(|ratios| Estimate::mean(ratios)).collect();
    let rungs = shrunk(&estimates, Estimate { value: 0.0, variance: f64::INFINITY });
    let more = |logarithm: f64| logarithm.exp_m1().max(0.0);
    Ok((more(Estimate::mean(&gauge_longer).value), rungs.into_iter().map(more).collect()))
}

/// Runs the rung that is set and the gauge in turn from the begin of a span to its end, at least once.
fn look(executor: &Executor, gauge: &Gauge, input: &Batch, (begin, end): (Instant, Instant)) -> Result<Slot> {
    let mut slot = Slot::default();
    let run = || on_processor(|| Ok(executor.run(&input.input).map(drop)?));
    while Instant::now() < begin {
        run()?;
    }
    loop {
        let start = Instant::now();
        slot.times.push(run()?);
        slot.gauge.push(gauge.seconds()?);
        if Instant::now() + start.elapsed() > end {
            return Ok(slot);
        }
    }
}

/// The logarithm of the one over the other.
fn ratio(times: &[f64], others: &[f64]) -> f64 {
    (geometric_mean(times) / geometric_mean(others)).ln()
}
