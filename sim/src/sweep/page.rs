//! The results of a sweep as text and as one page of HTML.
use super::compare::label;
use super::{Comparison, METRICS, Manifest, Results, Summary};
use crate::error::Error;
use crate::report::html::{Line, caption, card, heading, intervals, page as whole, table};
use crate::report::table::Cells;

/// Figures that the page draws: name, title, and what the figures are multiplied with to be shown.
const DRAWN: [(&str, &str, f64); 3] = [
    ("right_in_time", "Right in time, points", 100.0),
    ("miss_rate", "Missed, points", 100.0),
    ("p99_ms", "99th percentile of latency, ms", 1.0),
];

/// The whole page.
pub(super) fn page(manifest: &Manifest, summaries: &[Summary], comparisons: &[Comparison]) -> Result<String, Error> {
    let runs = format!(
        "{} runs: {} scenarios, seeds {} to {}, policies {}",
        manifest.runs(),
        manifest.scenarios.len(),
        manifest.seeds[0],
        manifest.seeds[1].saturating_sub(1),
        manifest.policies.join(", ")
    );
    let mut body = heading("Sweep", &runs) + &card(&table(&means(summaries)));
    if let Some(first) = comparisons.first() {
        let note = format!(
            "Mean over the seeds of the difference from {} on the same seed, and its 95 % bootstrap interval.",
            first.against
        );
        let plots: String = DRAWN.iter().map(|drawn| plot(comparisons, drawn)).collect();
        body += &card(&(caption(&format!("Against {}", first.against), &note) + &plots));
    }
    Ok(whole("Supple sweep", &body))
}

fn plot(comparisons: &[Comparison], &(metric, title, scale): &(&str, &str, f64)) -> String {
    let line = |comparison: &Comparison| Line {
        name: format!("{} · {}", label(&comparison.scenario, comparison.model.as_deref()), comparison.policy),
        low: comparison.difference.low,
        mean: comparison.difference.mean,
        high: comparison.difference.high,
        good: comparison.better,
    };
    let lines: Vec<Line> = comparisons.iter().filter(|comparison| comparison.metric == metric).map(line).collect();
    intervals(title, &lines, scale)
}

/// How a figure is shown: its heading, and what it is multiplied with.
fn shown(metric: &str) -> (&'static str, f64) {
    match metric {
        "right_in_time" => ("right in time %", 100.0),
        "miss_rate" => ("miss %", 100.0),
        "accuracy" => ("accuracy %", 100.0),
        "worth" => ("worth %", 100.0),
        "regret" => ("regret points", 100.0),
        "mean_density" => ("density", 1.0),
        "p50_ms" => ("p50 ms", 1.0),
        "p95_ms" => ("p95 ms", 1.0),
        _ => ("p99 ms", 1.0),
    }
}

/// Means over the seeds, a line for each scenario and policy.
fn means(summaries: &[Summary]) -> Cells {
    let names = METRICS.iter().map(|metric| shown(metric.name).0);
    let row = |summary: &Summary| {
        let figure = |(mean, metric): (&Option<f64>, &super::Metric)| {
            mean.map_or("-".to_owned(), |mean| format!("{:.2}", shown(metric.name).1 * mean))
        };
        let figures = summary.means.iter().zip(METRICS).map(figure);
        let name = format!("{} · {}", label(&summary.scenario, summary.model.as_deref()), summary.policy);
        [name, summary.runs.to_string()].into_iter().chain(figures).collect()
    };
    Cells {
        header: ["scenario · policy", "runs"].into_iter().chain(names).collect(),
        rows: summaries.iter().map(row).collect(),
    }
}

/// The differences that have an interval on one side of zero, a line for each.
fn differences(comparisons: &[Comparison]) -> Cells {
    let row = |comparison: &Comparison| {
        let (name, scale) = shown(comparison.metric);
        let interval = comparison.difference;
        let figures = [interval.mean, interval.low, interval.high].map(|figure| format!("{:+.2}", scale * figure));
        let verdict = comparison.better.map_or("", |better| if better { "better" } else { "worse" });
        let part = label(&comparison.scenario, comparison.model.as_deref());
        let title = format!("{part} · {} - {}", comparison.policy, comparison.against);
        let [mean, low, high] = figures;
        vec![title, name.to_owned(), mean, low, high, verdict.to_owned()]
    };
    let header = vec!["difference", "of", "mean", "low", "high", ""];
    Cells { header, rows: comparisons.iter().filter(|comparison| comparison.better.is_some()).map(row).collect() }
}

impl Results {
    /// Means and clear differences as plain text for a terminal.
    pub fn table(&self) -> String {
        let differences = differences(&self.comparisons());
        let rest = if differences.rows.is_empty() { String::new() } else { format!("\n{}", differences.text()) };
        means(&self.summaries()).text() + &rest
    }
}
