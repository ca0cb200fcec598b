//! The figures of a training run.
use super::run::{PlantName, densities, mean_density, millis, percentiles, switches, title};
use crate::world::StopReason;
use serde::{Deserialize, Serialize};
use supple_strategy::{Ladder, Nanos, Record};

/// One policy making a scenario's training steps on one plant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRun {
    /// Name of the policy.
    pub policy: String,
    /// What it drove.
    pub plant: PlantName,
    /// Steps asked for.
    pub steps: usize,
    /// Steps that ended by the deadline and were not lost.
    pub done: usize,
    /// Steps that were made and lost when the machine went away.
    #[serde(default, skip_serializing_if = "none")]
    pub lost: usize,
    /// When the run was due, in seconds.
    pub deadline_s: f64,
    /// When the last step ended, in seconds.
    pub took_s: f64,
    /// Mean over finished steps of the mean density of the setting.
    pub mean_density: f64,
    /// Median time of a step, in milliseconds (nearest rank).
    pub p50_ms: f64,
    /// The same, 95th percentile.
    pub p95_ms: f64,
    /// The same, 99th percentile.
    pub p99_ms: f64,
    /// Changes of the rung, from the dense one that is set at the start.
    pub switches: usize,
    /// Accuracy of the trained model on held-out data, where it was measured. The simulator does not guess it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_accuracy: Option<f64>,
    /// The model, where a fleet has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why the run ended, where it was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
    /// What became of each step, for plots.
    #[serde(skip)]
    pub records: Vec<Record>,
    /// Mean density of each rung, dense first, for plots.
    #[serde(skip)]
    pub densities: Vec<f64>,
}

impl TrainingRun {
    /// The figures of a run in which `steps` were asked for by `deadline`.
    pub fn of(
        policy: &str,
        plant: PlantName,
        steps: usize,
        deadline: Nanos,
        records: Vec<Record>,
        ladder: &Ladder,
    ) -> Self {
        let [p50_ms, p95_ms, p99_ms] = percentiles(&millis(&records));
        let densities = densities(ladder);
        Self {
            policy: policy.to_string(),
            plant,
            model: None,
            stopped: None,
            steps,
            done: records.iter().filter(|record| !record.missed()).count(),
            lost: 0,
            deadline_s: deadline.seconds(),
            took_s: records.iter().filter_map(|record| record.finished).max().map_or(0.0, Nanos::seconds),
            mean_density: mean_density(&records, &densities),
            p50_ms,
            p95_ms,
            p99_ms,
            switches: switches(&records),
            final_accuracy: None,
            records,
            densities,
        }
    }

    /// Whether all steps were made in time.
    pub fn in_time(&self) -> bool {
        self.done == self.steps
    }

    /// The same run, with the accuracy that the trained model was measured to have.
    #[must_use]
    pub fn with_final_accuracy(self, accuracy: f64) -> Self {
        Self { final_accuracy: Some(accuracy), ..self }
    }

    /// The same run, of a model of a fleet, of whose records so many are of steps that were lost.
    #[must_use]
    pub fn of_model(self, model: &str, lost: usize) -> Self {
        let done = self.done.saturating_sub(lost);
        Self { model: Some(model.to_owned()), done, lost, ..self }
    }

    /// The same run, which ended for this reason.
    #[must_use]
    pub fn ended(self, reason: StopReason) -> Self {
        Self { stopped: Some(reason), ..self }
    }

    /// Policy, plant and model, as titles name the run.
    pub fn title(&self) -> String {
        format!("{} · training", title(&self.policy, self.plant, self.model.as_deref()))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn none(count: &usize) -> bool {
    *count == 0
}
