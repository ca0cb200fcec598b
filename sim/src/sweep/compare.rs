//! Policies compared on the same cases.
use super::Row;
use crate::random::stream;
use rand::RngExt;
use serde::Serialize;
use std::collections::BTreeMap;

/// A figure of a run.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// Its value; `None` where the run has none.
    pub of: fn(&Row) -> Option<f64>,
}

/// The figures that are compared.
pub const METRICS: &[Metric] = &[
    Metric { name: "right_in_time", more_is_better: true, of: |row| Some(row.right_in_time) },
    Metric { name: "miss_rate", more_is_better: false, of: |row| Some(row.miss_rate) },
    Metric { name: "accuracy", more_is_better: true, of: |row| row.accuracy },
    Metric { name: "worth", more_is_better: true, of: |row| row.worth },
    Metric { name: "regret", more_is_better: false, of: |row| row.regret },
    Metric { name: "mean_density", more_is_better: true, of: |row| Some(row.mean_density) },
    Metric { name: "p50_ms", more_is_better: false, of: |row| Some(row.p50_ms) },
    Metric { name: "p95_ms", more_is_better: false, of: |row| Some(row.p95_ms) },
    Metric { name: "p99_ms", more_is_better: false, of: |row| Some(row.p99_ms) },
];

/// A mean with its bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A policy against the first of the sweep in one scenario: mean over the seeds of the difference on the same seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the scenario.
    pub scenario: String,
    /// The model, of a fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the policy.
    pub policy: String,
    /// Name of the policy that it is compared with.
    pub against: String,
    /// Name of the figure, of [`METRICS`].
    pub metric: &'static str,
    /// Pairs of runs.
    pub pairs: usize,
    /// Policy minus the other, with the interval that holds the true mean in 95 of 100 sweeps.
    #[serde(flatten)]
    pub difference: Interval,
    /// Whether the interval lies wholly on the better side (`true`) or on the worse (`false`) of zero; `None` where it holds zero.
    pub better: Option<bool>,
}

/// Means over the seeds of one policy in one scenario; `None` where no run has the figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the scenario.
    pub scenario: String,
    /// The model, of a fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the policy.
    pub policy: String,
    /// Runs.
    pub runs: usize,
    /// The mean of each of [`METRICS`].
    pub means: Vec<Option<f64>>,
}

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// Mean of `values`, and its percentile bootstrap interval at 95 % (Efron, "Bootstrap methods: another look at the jackknife", 1979) from 2,000
/// resamples, whose randomness `name` and nothing else decides. Zeros when there are no values.
pub fn bootstrap(values: &[f64], name: &str) -> Interval {
    if values.is_empty() {
        return Interval { mean: 0.0, low: 0.0, high: 0.0 };
    }
    let mut random = stream(0, name, "bootstrap");
    let mean = |sum: f64| sum / values.len() as f64;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| mean((0..values.len()).map(|_| values[random.random_range(0..values.len())]).sum()))
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    Interval { mean: mean(values.iter().sum()), low: means[tail], high: means[RESAMPLES - 1 - tail] }
}

/// Every policy but the first against the first, for each scenario and figure that both have.
pub(super) fn comparisons(rows: &[Row], policies: &[String]) -> Vec<Comparison> {
    let Some((against, others)) = policies.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for (part, rows) in grouped(rows, Row::part) {
        let cases: Vec<&[&Row]> = rows.chunks_exact(policies.len()).collect();
        for (i, policy) in others.iter().enumerate() {
            for metric in METRICS {
                let pair = |case: &&[&Row]| Some((metric.of)(case[i + 1])? - (metric.of)(case[0])?);
                let differences: Vec<f64> = cases.iter().filter_map(pair).collect();
                if !differences.is_empty() {
                    found.push(comparison(part, [policy, against], metric, &differences));
                }
            }
        }
    }
    found
}

fn comparison(part: Part<'_>, [policy, against]: [&str; 2], metric: &Metric, differences: &[f64]) -> Comparison {
    let difference = bootstrap(differences, &format!("{} {policy} {}", label(part.0, part.1), metric.name));
    let clear = difference.low > 0.0 || difference.high < 0.0;
    Comparison {
        scenario: part.0.to_owned(),
        model: part.1.map(str::to_owned),
        policy: policy.to_owned(),
        against: against.to_owned(),
        metric: metric.name,
        pairs: differences.len(),
        difference,
        better: clear.then_some((difference.mean > 0.0) == metric.more_is_better),
    }
}

/// Name of a scenario, and of a model of it where it is a fleet.
type Part<'a> = (&'a str, Option<&'a str>);

impl Row {
    fn part(&self) -> Part<'_> {
        (&self.scenario, self.model.as_deref())
    }

    /// What a line of means is about.
    fn line(&self) -> (&str, &str, Option<&str>) {
        (&self.scenario, &self.policy, self.model.as_deref())
    }
}

/// Scenario and model, as titles name them.
pub(super) fn label(scenario: &str, model: Option<&str>) -> String {
    model.map_or_else(|| scenario.to_owned(), |model| format!("{scenario} · {model}"))
}

/// The rows with equal keys, in the order in which keys first come.
fn grouped<'a, K: Copy + Ord>(rows: &'a [Row], key: impl Fn(&'a Row) -> K) -> Vec<(K, Vec<&'a Row>)> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<(K, Vec<&Row>)> = Vec::new();
    for row in rows {
        let key = key(row);
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[place].1.push(row);
    }
    groups
}

/// Means over the seeds, in the order in which scenarios, policies and models first come.
pub(super) fn summaries(rows: &[Row]) -> Vec<Summary> {
    let summary = |((scenario, policy, model), rows): ((&str, &str, Option<&str>), Vec<&Row>)| Summary {
        scenario: scenario.to_owned(),
        model: model.map(str::to_owned),
        policy: policy.to_owned(),
        runs: rows.len(),
        means: METRICS.iter().map(|metric| mean(rows.iter().filter_map(|row| (metric.of)(row)))).collect(),
    };
    grouped(rows, Row::line).into_iter().map(summary).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
