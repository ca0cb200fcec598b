//! The report as cells, and as plain text for a terminal.
use super::{Fidelity, MachineRun, Report, Run, TrainingRun};
use crate::world::StopReason;

/// A title line and rows of as many cells; the first column is text, the others are figures.
pub(crate) struct Cells {
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Cells {
    pub(super) fn of_runs(runs: &[Run]) -> Self {
        let header = ["policy · plant", "requests", "missed", "miss %", "accuracy %", "right in time %", "density"];
        let regret = runs.iter().any(|run| run.regret.is_some());
        let ends = runs.iter().any(|run| early(run.stopped).is_some());
        let last = ["p50 ms", "p95 ms", "p99 ms", "switches"].into_iter().chain(regret.then_some("regret points"));
        let last = last.chain(ends.then_some("ended by"));
        let header = header.into_iter().chain(last).collect();
        let row = |run: &Run| {
            let counts = [run.title(), run.requests.to_string(), run.missed.to_string()];
            let parts = [percent(run.miss_rate), percent(run.accuracy), percent(run.on_time_accuracy)];
            let times = [run.p50_ms, run.p95_ms, run.p99_ms].map(|ms| format!("{ms:.1}"));
            let density = format!("{:.3}", run.mean_density);
            let regrets = regret.then(|| run.regret.map_or("-".to_owned(), percent));
            let end = ends.then(|| early(run.stopped).unwrap_or("-").to_owned());
            let last = std::iter::once(run.switches.to_string()).chain(regrets).chain(end);
            counts.into_iter().chain(parts).chain([density]).chain(times).chain(last).collect()
        };
        Self { header, rows: runs.iter().map(row).collect() }
    }

    pub(super) fn of_training(runs: &[TrainingRun]) -> Self {
        let header = ["policy · plant", "steps", "in time", "took s", "due s", "accuracy %", "density"];
        let regret = runs.iter().any(|run| run.regret.is_some());
        let ends = runs.iter().any(|run| early(run.stopped).is_some());
        let last = ["p50 ms", "p95 ms", "p99 ms", "switches"].into_iter();
        let last = last.chain(regret.then_some("worth %")).chain(regret.then_some("regret points"));
        let header = header.into_iter().chain(last.chain(ends.then_some("ended by"))).collect();
        let row = |run: &TrainingRun| {
            let counts = [run.title(), run.steps.to_string(), run.done.to_string()];
            let times = [run.took_s, run.deadline_s].map(|s| format!("{s:.2}"));
            let quality = [run.final_accuracy.map_or("-".to_string(), percent), format!("{:.3}", run.mean_density)];
            let steps = [run.p50_ms, run.p95_ms, run.p99_ms].map(|ms| format!("{ms:.1}"));
            let regrets = regret.then(|| [percent(run.worth), run.regret.map_or("-".to_owned(), percent)]);
            let end = ends.then(|| early(run.stopped).unwrap_or("-").to_owned());
            let last = std::iter::once(run.switches.to_string()).chain(regrets.into_iter().flatten()).chain(end);
            counts.into_iter().chain(times).chain(quality).chain(steps).chain(last).collect()
        };
        Self { header, rows: runs.iter().map(row).collect() }
    }

    pub(super) fn of_machines(runs: &[MachineRun]) -> Self {
        let header = vec![
            "policy · machine",
            "tasks",
            "killed",
            "lost",
            "processor s",
            "away %",
            "held MB",
            "moved MB",
            "link MB",
            "joules",
            "hottest °C",
            "throttled s",
        ];
        let maybe = |figure: Option<f64>| figure.map_or("-".to_string(), |figure| format!("{figure:.1}"));
        let mega = |bytes: u64| bytes as f64 / 1e6;
        let row = |run: &MachineRun| {
            let counts = [run.done, run.killed, run.lost].map(|count| count.to_string());
            let time = [format!("{:.2}", run.processor_s), percent(run.away), format!("{:.1}", mega(run.most_held))];
            let rest = [run.moved.map(mega), run.transferred.map(mega), run.joules, run.hottest_c, run.throttled_s];
            std::iter::once(run.title()).chain(counts).chain(time).chain(rest.map(maybe)).collect()
        };
        Self { header, rows: runs.iter().map(row).collect() }
    }

    pub(super) fn of_fidelity(pairs: &[Fidelity]) -> Self {
        let header = vec!["sim against live", "miss points", "accuracy points", "p50 ratio", "p95 ratio", "p99 ratio"];
        let row = |pair: &Fidelity| {
            let points = [pair.miss_points, pair.accuracy_points].map(|points| format!("{points:+.2}"));
            let ratios = [pair.p50_ratio, pair.p95_ratio, pair.p99_ratio].map(|ratio| format!("{ratio:.3}"));
            std::iter::once(pair.policy.clone()).chain(points).chain(ratios).collect()
        };
        Self { header, rows: pairs.iter().map(row).collect() }
    }

    /// One line a row, columns aligned: text to the left, figures to the right.
    pub(crate) fn text(&self) -> String {
        let header = self.header.iter().map(|cell| (*cell).to_string()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(&self.rows).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let mut text = format!("{:<1$}", cells[0], widths[0]);
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                text += &format!("  {cell:>width$}");
            }
            text + "\n"
        };
        lines.into_iter().map(line).collect()
    }
}

/// Why a run ended before all its work was done, in a word.
fn early(stopped: Option<StopReason>) -> Option<&'static str> {
    stopped.filter(|reason| *reason != StopReason::Finished).map(StopReason::name)
}

fn percent(part: f64) -> String {
    format!("{:.2}", 100.0 * part)
}

impl Report {
    /// The parts of the report that have anything to show.
    pub(super) fn cells(&self) -> Vec<Cells> {
        let all = [
            Cells::of_runs(&self.runs),
            Cells::of_training(&self.training),
            Cells::of_machines(&self.machines),
            Cells::of_fidelity(&self.fidelity()),
        ];
        all.into_iter().filter(|cells| !cells.rows.is_empty()).collect()
    }

    /// The figures as plain text for a terminal.
    pub fn table(&self) -> String {
        let parts: Vec<String> = self.cells().iter().map(Cells::text).collect();
        parts.join("\n")
    }
}
