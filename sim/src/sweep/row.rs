//! One run of a sweep.
use crate::report::{MachineRun, Run, TrainingRun};
use crate::world::StopReason;
use serde::{Deserialize, Serialize};

/// The figures of one run. Of a training run the pieces of work are its steps, and a right answer in time is a step in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed.
    pub seed: u64,
    /// Name of the policy.
    pub policy: String,
    /// The model, of a fleet.
    pub model: Option<String>,
    /// Whether it is trained.
    pub training: bool,
    /// Requests, or steps.
    pub asked: u64,
    /// Those not done in time.
    pub missed: u64,
    /// Part of those asked for.
    pub miss_rate: f64,
    /// Right answers over answers; `None` where nothing was answered, and for training.
    pub accuracy: Option<f64>,
    /// Right answers in time over answers asked for; of training, steps in time over steps.
    pub right_in_time: f64,
    /// What hindsight gets of that, of training its worth (of a fleet, what the best run found gets); `None` where it was not asked.
    pub oracle: Option<f64>,
    /// `oracle` minus `right_in_time`, or minus `worth`. Of a fleet only the mean over its models is what there is to regret.
    pub regret: Option<f64>,
    /// Of training, [`TrainingRun::worth`].
    pub worth: Option<f64>,
    /// Mean density of the settings.
    pub mean_density: f64,
    /// Median time from arrival to answer (of training: of a step), in milliseconds.
    pub p50_ms: f64,
    /// The same, 95th percentile.
    pub p95_ms: f64,
    /// The same, 99th percentile.
    pub p99_ms: f64,
    /// Changes of the rung.
    pub switches: u64,
    /// When the last piece of work ended, in seconds.
    pub took_s: f64,
    /// Why the run ended.
    pub stopped: Option<StopReason>,
}

impl Row {
    /// The row of a serving run of a scenario with this seed; `oracle` is the on-time accuracy in hindsight.
    pub fn of_serving((scenario, seed): (&str, u64), run: &Run, oracle: Option<f64>) -> Self {
        let last = run.records.iter().filter_map(|record| record.finished).max();
        let answered = run.records.iter().any(|record| record.outcome.of > 0);
        Self {
            scenario: scenario.to_owned(),
            seed,
            policy: run.policy.clone(),
            model: run.model.clone(),
            training: false,
            asked: run.requests as u64,
            missed: run.missed as u64,
            miss_rate: run.miss_rate,
            accuracy: answered.then_some(run.accuracy),
            right_in_time: run.on_time_accuracy,
            oracle,
            regret: oracle.map(|oracle| oracle - run.on_time_accuracy),
            worth: None,
            mean_density: run.mean_density,
            p50_ms: run.p50_ms,
            p95_ms: run.p95_ms,
            p99_ms: run.p99_ms,
            switches: run.switches as u64,
            took_s: last.map_or(0.0, |end| end.seconds()),
            stopped: run.stopped,
        }
    }

    /// The row of a training run of a scenario with this seed; `oracle` is the worth in hindsight.
    pub fn of_training((scenario, seed): (&str, u64), run: &TrainingRun, oracle: Option<f64>) -> Self {
        let part = |count: usize| count as f64 / run.steps.max(1) as f64;
        let missed = run.steps.saturating_sub(run.done);
        Self {
            scenario: scenario.to_owned(),
            seed,
            policy: run.policy.clone(),
            model: run.model.clone(),
            training: true,
            asked: run.steps as u64,
            missed: missed as u64,
            miss_rate: part(missed),
            accuracy: None,
            right_in_time: part(run.done),
            oracle,
            regret: oracle.map(|oracle| oracle - run.worth),
            worth: Some(run.worth),
            mean_density: run.mean_density,
            p50_ms: run.p50_ms,
            p95_ms: run.p95_ms,
            p99_ms: run.p99_ms,
            switches: run.switches as u64,
            took_s: run.took_s,
            stopped: run.stopped,
        }
    }
}

/// A machine of a fleet in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineRow {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed.
    pub seed: u64,
    /// Its figures, with the policy's name and its own.
    #[serde(flatten)]
    pub run: MachineRun,
}

/// The rows of a chunk: of its models, and of its machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rows {
    pub runs: Vec<Row>,
    pub machines: Vec<MachineRow>,
}
