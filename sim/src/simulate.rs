//! Whole runs in virtual time.
use crate::device::SimulatedDevice;
use crate::error::Error;
use crate::report::{PlantName, Run, TrainingRun};
use crate::scenario::Scenario;
use crate::trace::Trace;
use supple_strategy::drive::{serve, train};
use supple_strategy::{Ladder, Nanos, Policy, Record};

/// Serves the scenario's requests on a simulated device. With a trace that stops, requests that would arrive later are not offered.
///
/// # Errors
/// When the scenario does not fit the ladder: too many requests, or another batch than the ladder was measured with.
pub fn simulate(
    scenario: &Scenario,
    ladder: &Ladder,
    trace: &Trace,
    policy: &mut dyn Policy,
    policy_name: &str,
) -> Result<Run, Error> {
    simulate_on(scenario, ladder, ladder, trace, policy, policy_name)
}

/// [`simulate`] on a machine whose service times are those of `machine`, while demands, load and policy go by `ladder`: what a ladder measured
/// at one moment does at another.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_on(
    scenario: &Scenario,
    ladder: &Ladder,
    machine: &Ladder,
    trace: &Trace,
    policy: &mut dyn Policy,
    policy_name: &str,
) -> Result<Run, Error> {
    let batch = scenario.request.batch;
    check_batch(scenario, "request.batch", batch, ladder)?;
    let mut requests = scenario.requests(ladder)?;
    requests.retain(|request| trace.stops_at().is_none_or(|end| request.arrival < end));
    let mut device = device(scenario, machine, trace, batch);
    let mut records = serve(&mut device, &requests, ladder, policy)?;
    unfinish(&mut records);
    Ok(Run::of(policy_name, PlantName::Sim, requests.len(), &records, ladder))
}

/// Makes the scenario's training steps on a simulated device.
///
/// # Errors
/// When the scenario has no `[training]`, or another batch than the ladder was measured with.
pub fn simulate_training(
    scenario: &Scenario,
    ladder: &Ladder,
    trace: &Trace,
    policy: &mut dyn Policy,
    policy_name: &str,
) -> Result<TrainingRun, Error> {
    let training = scenario.training.as_ref().ok_or_else(|| no_training(scenario))?;
    check_batch(scenario, "training.batch", training.batch, ladder)?;
    let deadline = training.deadline(ladder.rungs()[0].service.median());
    let mut device = device(scenario, ladder, trace, training.batch);
    let mut records = train(&mut device, training.steps, deadline, ladder, policy)?;
    unfinish(&mut records);
    Ok(TrainingRun::of(policy_name, PlantName::Sim, training.steps, deadline, &records, ladder))
}

fn device<'a>(scenario: &Scenario, ladder: &'a Ladder, trace: &'a Trace, batch: u32) -> SimulatedDevice<'a> {
    SimulatedDevice::new(ladder, trace, scenario.mechanism(), scenario.seed).with_batch(batch)
}

fn no_training(scenario: &Scenario) -> Error {
    Error::field("training", "a table [training]").within(scenario.origin().display())
}

/// Service times hold for the batch that they were measured with. A ladder that does not say which (batch 0) fits all.
fn check_batch(scenario: &Scenario, field: &str, batch: u32, ladder: &Ladder) -> Result<(), Error> {
    let measured = ladder.stamp.batch;
    if measured == 0 || measured == batch as usize {
        return Ok(());
    }
    let expected = format!("{measured}, the batch that the ladder was measured with");
    Err(Error::field(format!("{field} = {batch}"), expected).within(scenario.origin().display()))
}

/// Work that starved has no end.
fn unfinish(records: &mut [Record]) {
    for record in records {
        record.finished = record.finished.filter(|end| *end < Nanos::MAX);
    }
}
