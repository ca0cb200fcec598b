//! The best choices for requests, by forking the device at each of them.
use super::allowed;
use crate::device::SimulatedDevice;
use crate::error::Error;
use crate::report::{PlantName, Run};
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::trace::Trace;
use supple_strategy::{Job, Ladder, Nanos, Outcome, Plant, Record, Request};

/// Most states that are kept over a whole run; a run that needs more is refused.
const MOST_STATES: usize = 100_000_000;

/// The run that gives the most right answers in time, of all that choose for each request, when its turn comes, on which rung it is served or that it is
/// dropped.
///
/// The world is forked at every choice. Of two forks that stand before the same request, one that is ahead of the other
/// ([`SimulatedDevice::ahead_of`]) with at least as many right answers makes the other pointless (dynamic programming over a Pareto front): it can
/// do all that the other can, and no later. What remains is small, and exact (but for the scheduler's ticks, where a scenario has them).
///
/// # Errors
/// As [`simulate`](crate::simulate()); and when more than a hundred million states would have to be kept.
pub fn hindsight(scenario: &Scenario, ladder: &Ladder, trace: &Trace) -> Result<Run, Error> {
    let stage = Stage::new(scenario, ladder, trace)?;
    let requests = stage.requests();
    let choices = best_choices(stage.device(), &requests, &allowed(scenario.demand.accuracy_floor, ladder))?;
    let records = play(stage.device(), &requests, &choices)?;
    Ok(Run::of(Run::ORACLE, PlantName::Sim, requests.len(), records, ladder))
}

/// What becomes of requests under these choices; `None` drops one.
fn play(
    mut device: SimulatedDevice<'_>,
    requests: &[Request],
    choices: &[Option<usize>],
) -> Result<Vec<Record>, Error> {
    let mut records = Vec::with_capacity(requests.len());
    for (i, (request, choice)) in requests.iter().zip(choices).enumerate() {
        device.wait(request.arrival)?;
        if device.stopped() {
            break;
        }
        let started = device.now();
        let Request { arrival, due } = *request;
        let mut record =
            Record { arrival, due, started, finished: None, rung: device.rung(), outcome: Outcome::default() };
        if let Some(rung) = *choice {
            device.set_rung(rung);
            record.rung = rung;
            record.outcome = device.run(Job::Request(i))?;
            record.finished = Some(device.now()).filter(|end| *end < Nanos::MAX);
        }
        records.push(record);
    }
    Ok(records)
}

/// One way to have come to the present request.
#[derive(Clone)]
struct Fork<'a> {
    device: SimulatedDevice<'a>,
    right: u64,
    parent: usize,
    rung: Option<usize>,
}

/// The best choice for each request; `None` drops it.
fn best_choices(
    device: SimulatedDevice<'_>,
    requests: &[Request],
    rungs: &[usize],
) -> Result<Vec<Option<usize>>, Error> {
    let mut front = vec![Fork { device, right: 0, parent: 0, rung: None }];
    let mut past: Vec<Vec<(usize, Option<usize>)>> = Vec::with_capacity(requests.len());
    let mut kept = 0;
    for (i, request) in requests.iter().enumerate() {
        let mut next = Vec::with_capacity(front.len() * rungs.len());
        for (parent, fork) in front.iter().enumerate() {
            spread(fork, parent, i, request, rungs, &mut next)?;
        }
        front = undominated(next);
        past.push(front.iter().map(|fork| (fork.parent, fork.rung)).collect());
        kept += front.len();
        if kept > MOST_STATES {
            let expected = format!("a run whose oracle keeps at most {MOST_STATES} states");
            return Err(Error::field(format!("duration_s: {kept} states after {} requests", i + 1), expected));
        }
    }
    Ok(trace_back(&front, &past))
}

/// All that may become of a fork at a request.
fn spread<'a>(
    fork: &Fork<'a>,
    parent: usize,
    number: usize,
    request: &Request,
    rungs: &[usize],
    next: &mut Vec<Fork<'a>>,
) -> Result<(), Error> {
    let mut device = fork.device.clone();
    device.wait(request.arrival)?;
    next.push(Fork { device: device.clone(), right: fork.right, parent, rung: None });
    if device.stopped() || device.now() >= request.due {
        return Ok(());
    }
    for &rung in rungs {
        let mut device = device.clone();
        device.set_rung(rung);
        let outcome = device.run(Job::Request(number))?;
        let right = if device.now() <= request.due { u64::from(outcome.right) } else { 0 };
        next.push(Fork { device, right: fork.right + right, parent, rung: Some(rung) });
    }
    Ok(())
}

/// The forks to which no other is ahead with at least as many right answers.
fn undominated(mut forks: Vec<Fork<'_>>) -> Vec<Fork<'_>> {
    forks.sort_by_cached_key(|fork| (fork.device.time(), std::cmp::Reverse(fork.right)));
    let mut kept: Vec<Fork<'_>> = Vec::new();
    for fork in forks {
        let pointless = |better: &Fork<'_>| better.right >= fork.right && better.device.ahead_of(&fork.device);
        if !kept.iter().rev().any(pointless) {
            kept.push(fork);
        }
    }
    kept
}

/// The choices on the way to the best of the last forks.
fn trace_back(front: &[Fork<'_>], past: &[Vec<(usize, Option<usize>)>]) -> Vec<Option<usize>> {
    let best = front.iter().enumerate().max_by_key(|(i, fork)| (fork.right, std::cmp::Reverse(*i)));
    let mut at = best.map_or(0, |(i, _)| i);
    let mut choices = Vec::with_capacity(past.len());
    for choice in past.iter().rev() {
        let (parent, rung) = choice[at];
        choices.push(rung);
        at = parent;
    }
    choices.reverse();
    choices
}
