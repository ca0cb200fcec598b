//! Whole runs in virtual time.
use crate::error::Error;
use crate::report::{Run, TrainingRun};
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::trace::Trace;
use supple_strategy::{Ladder, Policy};

/// Serves the scenario's requests on a simulated device; see [`Stage`] for machines that are not as the ladder says.
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
    Stage::new(scenario, ladder, trace)?.serve(policy, policy_name)
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
    Stage::new(scenario, ladder, trace)?.train(policy, policy_name)
}
