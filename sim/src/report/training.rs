//! The figures of a training run.
use super::run::{PlantName, densities, mean_density, millis, percentiles, ratio, switches, title};
use crate::world::StopReason;
use serde::{Deserialize, Serialize};
use std::ops::Range;
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
    /// Mean over the steps asked for of the measured quality of the rung that they were made on, with nothing for those that did not end by the deadline
    /// or were lost: what hindsight makes most of.
    #[serde(default)]
    pub worth: f64,
    /// What hindsight is worth more, where it was asked; of hindsight itself, what there may be beyond it at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regret: Option<f64>,
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
            worth: worth(records.iter(), steps, ladder),
            regret: None,
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

    /// The same run on this ladder, of a model of a fleet, whose records in these ranges (ascending) are of steps that were lost.
    #[must_use]
    pub fn of_model(self, model: &str, lost: &[Range<usize>], ladder: &Ladder) -> Self {
        let is_lost = |i: usize| lost.get(lost.partition_point(|range| range.end <= i)).is_some_and(|r| r.contains(&i));
        let kept = self.records.iter().enumerate().filter(|(i, _)| !is_lost(*i)).map(|(_, record)| record);
        let done = kept.clone().filter(|record| !record.missed()).count();
        let worth = worth(kept, self.steps, ladder);
        let lost = lost.iter().map(Range::len).sum();
        Self { model: Some(model.to_owned()), done, lost, worth, ..self }
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

fn worth<'a>(records: impl Iterator<Item = &'a Record>, steps: usize, ladder: &Ladder) -> f64 {
    let in_time = records.filter(|record| !record.missed());
    let qualities = in_time.map(|record| ladder.rungs().get(record.rung).map_or(0.0, |rung| rung.quality));
    ratio(qualities.sum(), steps as f64)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn none(count: &usize) -> bool {
    *count == 0
}
