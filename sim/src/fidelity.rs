//! How far simulated runs are from live ones, component by component, and whether both put policies in the same order.
use crate::report::{Run, TrainingRun};
use crate::shrinkage::Estimate;
use serde::{Deserialize, Serialize};
use supple_strategy::{Nanos, Record};

/// A run, or several of one policy, and where their time went.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Name of the policy.
    pub policy: String,
    /// What became of each piece of work.
    pub records: Vec<Record>,
    /// Processor time of each record's work; zero for what was dropped.
    pub service: Vec<Nanos>,
    /// Time that each change of the rung took.
    pub switches: Vec<Nanos>,
    /// Pieces of work asked for.
    pub asked: usize,
    /// Whether quality was observed: training has none until its end.
    pub answers: bool,
}

impl Observed {
    /// A serving run with what each of its pieces of work took of the processor.
    pub fn of_serving(run: &Run, service: Vec<Nanos>, switches: Vec<Nanos>) -> Self {
        let (policy, records) = (run.policy.clone(), run.records.clone());
        Self { policy, records, service, switches, asked: run.requests, answers: true }
    }

    /// A training run with what each of its steps took of the processor.
    pub fn of_training(run: &TrainingRun, service: Vec<Nanos>, switches: Vec<Nanos>) -> Self {
        let (policy, records) = (run.policy.clone(), run.records.clone());
        Self { policy, records, service, switches, asked: run.steps, answers: false }
    }

    /// Runs of one policy, taken as one; `None` of none.
    pub fn together(runs: &[Self]) -> Option<Self> {
        let (first, others) = runs.split_first()?;
        Some(others.iter().fold(first.clone(), |mut all, run| {
            all.records.extend_from_slice(&run.records);
            all.service.extend_from_slice(&run.service);
            all.switches.extend_from_slice(&run.switches);
            all.asked += run.asked;
            all
        }))
    }

    /// The rung of each piece of work that ended.
    pub fn rungs(&self) -> impl Iterator<Item = usize> {
        self.records.iter().filter(|record| record.finished.is_some()).map(|record| record.rung)
    }

    /// Part of the pieces of work with no answer in time.
    pub fn miss_rate(&self) -> f64 {
        let done = self.records.iter().filter(|record| !record.missed()).count();
        1.0 - part(done as f64, self.asked as f64)
    }

    /// What policies are ordered by: right answers in time over answers asked for; of training, steps in time weighted with nothing.
    pub fn worth(&self) -> f64 {
        let in_time = self.records.iter().filter(|record| !record.missed());
        if !self.answers {
            return part(in_time.count() as f64, self.asked as f64);
        }
        let size = self.records.iter().map(|record| record.outcome.of).max().unwrap_or(0);
        part(in_time.map(|record| f64::from(record.outcome.right)).sum(), self.asked as f64 * f64::from(size))
    }

    fn accuracy(&self) -> f64 {
        let sum = |of: fn(&Record) -> u32| self.records.iter().map(|record| f64::from(of(record))).sum::<f64>();
        part(sum(|record| record.outcome.right), sum(|record| record.outcome.of))
    }

    /// Of the work that ended, in ascending milliseconds.
    fn spans(&self, of: impl Fn(&Record, Nanos, Nanos) -> Nanos) -> Vec<f64> {
        let ended = self.records.iter().zip(&self.service);
        let mut spans: Vec<f64> = ended
            .filter_map(|(record, &service)| record.finished.map(|end| of(record, end, service).millis()))
            .collect();
        spans.sort_by(f64::total_cmp);
        spans
    }
}

/// How much larger a simulated figure is than the live one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Name of the policy.
    pub policy: String,
    /// Part of the model: `service`, `stall`, `queueing`, `switch`, `quality`, or `end_to_end` for what they make together.
    pub component: String,
    /// The figure: of times the mean or a percentile in milliseconds, of parts a fraction, else a count.
    pub metric: String,
    /// Live.
    pub live: f64,
    /// Simulated.
    pub sim: f64,
    /// Simulated minus live: over live, for times and counts; in points (hundredths), for parts.
    pub signed_error: f64,
    /// The standard error of the live figure, from its runs, as the signed error is given; `None` of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_error: Option<f64>,
}

/// A figure's name, how to compare it, and how to get it.
type Figure = (&'static str, &'static str, Compared, fn(&Observed) -> f64);

#[derive(Clone, Copy)]
enum Compared {
    Relative,
    Points,
}

/// The figures of all components.
const FIGURES: [Figure; 17] = [
    ("service", "mean_ms", Compared::Relative, |run| mean(&service(run))),
    ("service", "p50_ms", Compared::Relative, |run| percentile(&service(run), 50)),
    ("service", "p95_ms", Compared::Relative, |run| percentile(&service(run), 95)),
    ("stall", "mean_ms", Compared::Relative, |run| mean(&stall(run))),
    ("stall", "p95_ms", Compared::Relative, |run| percentile(&stall(run), 95)),
    ("queueing", "mean_ms", Compared::Relative, |run| mean(&waiting(run))),
    ("queueing", "p95_ms", Compared::Relative, |run| percentile(&waiting(run), 95)),
    ("switch", "count", Compared::Relative, |run| run.switches.len() as f64),
    ("switch", "mean_ms", Compared::Relative, |run| {
        mean(&run.switches.iter().map(|span| span.millis()).collect::<Vec<_>>())
    }),
    ("quality", "accuracy", Compared::Points, Observed::accuracy),
    ("quality", "right_in_time", Compared::Points, Observed::worth),
    ("end_to_end", "miss_rate", Compared::Points, Observed::miss_rate),
    ("end_to_end", "mean_ms", Compared::Relative, |run| mean(&latency(run))),
    ("end_to_end", "p50_ms", Compared::Relative, |run| percentile(&latency(run), 50)),
    ("end_to_end", "p95_ms", Compared::Relative, |run| percentile(&latency(run), 95)),
    ("end_to_end", "p99_ms", Compared::Relative, |run| percentile(&latency(run), 99)),
    ("end_to_end", "done", Compared::Relative, |run| run.records.len() as f64),
];

fn service(run: &Observed) -> Vec<f64> {
    run.spans(|_, _, service| service)
}

/// From begin to end of the work, less the processor time that it took.
fn stall(run: &Observed) -> Vec<f64> {
    run.spans(|record, end, service| (end - record.started) - service)
}

fn waiting(run: &Observed) -> Vec<f64> {
    run.spans(|record, _, _| record.started - record.arrival)
}

fn latency(run: &Observed) -> Vec<f64> {
    run.spans(|record, end, _| end - record.arrival)
}

/// Compares simulated runs with the live ones of the same policy, each side taken together, figure by figure; those that training does not have are left out.
/// Nothing without runs.
pub fn deviations(live: &[Observed], sim: &[Observed]) -> Vec<Deviation> {
    let (Some(all), Some(twin)) = (Observed::together(live), Observed::together(sim)) else { return Vec::new() };
    let there = FIGURES.iter().filter(|(component, ..)| all.answers || *component != "quality");
    let deviation = |&(component, metric, compared, of): &Figure| {
        let (real, simulated) = (of(&all), of(&twin));
        let error = Estimate::mean(&live.iter().map(of).collect::<Vec<_>>()).variance.sqrt();
        Deviation {
            policy: all.policy.clone(),
            component: component.to_owned(),
            metric: metric.to_owned(),
            live: real,
            sim: simulated,
            signed_error: compared.error(real, simulated),
            live_error: error.is_finite().then(|| compared.error(real, real + error)),
        }
    };
    there.map(deviation).collect()
}

impl Compared {
    fn error(self, live: f64, sim: f64) -> f64 {
        match self {
            Self::Points => 100.0 * (sim - live),
            Self::Relative if sim == live => 0.0,
            Self::Relative => (sim - live) / live.abs().max(1e-6),
        }
    }
}

/// Kendall's tau-b of two rankings of the same things by a figure: 1 in the same order, -1 in the opposite one; ties in one ranking alone weaken it (Kendall,
/// "The treatment of ties in ranking problems", 1945). `None` when there is nothing to order: fewer than two things, or all equal in one ranking.
pub fn kendall_tau(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mut score, mut pairs_a, mut pairs_b) = (0i64, 0i64, 0i64);
    for j in 0..a.len().min(b.len()) {
        for i in 0..j {
            let (x, y) = (order(a[i], a[j]), order(b[i], b[j]));
            score += x * y;
            pairs_a += x * x;
            pairs_b += y * y;
        }
    }
    let all = ((pairs_a * pairs_b) as f64).sqrt();
    (all > 0.0).then(|| score as f64 / all)
}

fn order(a: f64, b: f64) -> i64 {
    a.total_cmp(&b) as i64
}

fn part(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn mean(values: &[f64]) -> f64 {
    part(values.iter().sum(), values.len() as f64)
}

/// Nearest rank; 0 of nothing.
fn percentile(ascending: &[f64], percent: usize) -> f64 {
    let rank = (ascending.len() * percent).div_ceil(100).max(1) - 1;
    ascending.get(rank).copied().unwrap_or(0.0)
}
