//! The figures of a serving run.
use crate::world::StopReason;
use serde::{Deserialize, Serialize};
use std::fmt;
use supple_strategy::{Ladder, Nanos, Record};

/// What a policy drove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlantName {
    /// The executor.
    Live,
    /// The simulated device.
    Sim,
}

impl fmt::Display for PlantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Sim => "sim",
        })
    }
}

/// One policy serving a scenario's requests on one plant. Figures over answered requests are 0 when none was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the policy.
    pub policy: String,
    /// What it drove.
    pub plant: PlantName,
    /// Requests offered.
    pub requests: usize,
    /// Those without an answer in time: late, dropped, or never reached.
    pub missed: usize,
    /// Right answers over answers given, late ones included.
    pub accuracy: f64,
    /// Mean over answered requests of the mean density of the setting.
    pub mean_density: f64,
    /// Median time from arrival to answer over answered requests, in milliseconds (nearest rank).
    pub p50_ms: f64,
    /// The same, 95th percentile.
    pub p95_ms: f64,
    /// The same, 99th percentile.
    pub p99_ms: f64,
    /// Changes of the rung, from the dense one that is set at the start.
    pub switches: usize,
    /// Right answers given in time over answers asked for.
    pub on_time_accuracy: f64,
    /// Part of the requests that were missed.
    pub miss_rate: f64,
    /// What hindsight gets right in time more, where it was asked. In a fleet it may have given of one model to another, so that only the mean over the
    /// models says what there is to regret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regret: Option<f64>,
    /// The model, where a fleet has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why the run ended, where it was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
    /// What became of each request, for plots.
    #[serde(skip)]
    pub records: Vec<Record>,
    /// Mean density of each rung, dense first, for plots.
    #[serde(skip)]
    pub densities: Vec<f64>,
}

impl Run {
    /// Name that hindsight has in place of a policy's.
    pub const ORACLE: &str = "oracle";

    /// Name that the best run of a fleet that a search finds has in place of a policy's.
    pub const BEST_FOUND: &str = "best-found";

    /// Whether a run under this name was made in hindsight.
    pub fn is_hindsight(policy: &str) -> bool {
        policy == Self::ORACLE || policy == Self::BEST_FOUND
    }

    /// The figures of a run in which `requests` were offered. Requests without a record were never reached.
    pub fn of(policy: &str, plant: PlantName, requests: usize, records: Vec<Record>, ladder: &Ladder) -> Self {
        let in_time = records.iter().filter(|record| !record.missed());
        let missed = requests.saturating_sub(in_time.clone().count());
        let batch = records.iter().map(|record| record.outcome.of).max().unwrap_or(0);
        let right_in_time: f64 = in_time.map(|record| f64::from(record.outcome.right)).sum();
        let [p50_ms, p95_ms, p99_ms] = percentiles(&millis(&records));
        let densities = densities(ladder);
        Self {
            policy: policy.to_string(),
            plant,
            model: None,
            stopped: None,
            requests,
            missed,
            accuracy: accuracy(&records),
            mean_density: mean_density(&records, &densities),
            p50_ms,
            p95_ms,
            p99_ms,
            switches: switches(&records),
            on_time_accuracy: ratio(right_in_time, requests as f64 * f64::from(batch)),
            miss_rate: ratio(missed as f64, requests as f64),
            regret: None,
            records,
            densities,
        }
    }

    /// The same run, of a model of a fleet.
    #[must_use]
    pub fn of_model(self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self }
    }

    /// The same run, which ended for this reason.
    #[must_use]
    pub fn ended(self, reason: StopReason) -> Self {
        Self { stopped: Some(reason), ..self }
    }

    /// Policy, plant and model, as titles name the run.
    pub fn title(&self) -> String {
        title(&self.policy, self.plant, self.model.as_deref())
    }
}

/// Policy, plant and model, as titles name a run.
pub(super) fn title(policy: &str, plant: PlantName, model: Option<&str>) -> String {
    let model = model.map_or(String::new(), |model| format!(" · {model}"));
    format!("{policy} · {plant}{model}")
}

/// `part / whole`, and 0 of nothing. The sum of no numbers is -0 in Rust; here it becomes 0.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole + 0.0 } else { 0.0 }
}

/// Mean density of each rung's setting.
pub(super) fn densities(ladder: &Ladder) -> Vec<f64> {
    ladder.rungs().iter().map(|rung| rung.setting.mean_density()).collect()
}

/// Mean density over the finished work.
pub(super) fn mean_density(records: &[Record], densities: &[f64]) -> f64 {
    let finished = records.iter().filter(|record| record.finished.is_some());
    let sum: f64 = finished.clone().map(|record| densities.get(record.rung).copied().unwrap_or(1.0)).sum();
    ratio(sum, finished.count() as f64)
}

/// Changes of the rung, from rung 0 on.
pub(super) fn switches(records: &[Record]) -> usize {
    let before = std::iter::once(0).chain(records.iter().map(|record| record.rung));
    before.zip(records).filter(|(before, record)| *before != record.rung).count()
}

/// Times from arrival to end of the finished work in milliseconds, ascending.
pub(super) fn millis(records: &[Record]) -> Vec<f64> {
    let mut spans: Vec<Nanos> = records.iter().filter_map(|r| r.finished.map(|end| end - r.arrival)).collect();
    spans.sort_unstable();
    spans.into_iter().map(Nanos::millis).collect()
}

/// The 50th, 95th and 99th percentile of ascending numbers: the least that at least so many in a hundred do not exceed.
pub(super) fn percentiles(ascending: &[f64]) -> [f64; 3] {
    let rank = |percent: usize| (ascending.len() * percent).div_ceil(100).max(1) - 1;
    [50, 95, 99].map(|percent| ascending.get(rank(percent)).copied().unwrap_or(0.0))
}

fn accuracy(records: &[Record]) -> f64 {
    let sum = |part: fn(&Record) -> u32| records.iter().map(|record| f64::from(part(record))).sum::<f64>();
    ratio(sum(|record| record.outcome.right), sum(|record| record.outcome.of))
}
