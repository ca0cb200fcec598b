//! The report as one page of HTML that needs nothing else.
use super::html::{bars, caption, card, heading, page, table};
use super::plots::Plots;
use super::{MachineRun, Report, Run, TrainingRun};
use crate::error::Error;
use crate::fleet::Outage;
use crate::trace::Trace;
use supple_strategy::{Nanos, Record};

impl Report {
    /// The contents of `report.html`: figures, bars, for each run that still has its records the plots of density and latency over time, with the share
    /// where that is given, and for each machine of a fleet its share. It loads nothing from elsewhere.
    ///
    /// # Errors
    /// When a plot cannot be drawn.
    pub fn html<'a>(&self, trace: impl Into<Option<&'a Trace>>) -> Result<String, Error> {
        let trace = trace.into();
        let title = format!("Supple report: {}", self.scenario);
        let tables: String = self.cells().iter().map(table).collect();
        let mut body = heading(&self.scenario, &format!("seed {}", self.seed));
        body += &card(&tables);
        if !self.runs.is_empty() {
            body += &card(&format!("<div class=\"pair\">{}</div>", self.bars()));
        }
        for run in &self.runs {
            body += &serving(run, self.until(), trace)?;
        }
        for run in &self.training {
            body += &training(run, self.until(), trace)?;
        }
        for machine in self.machines_once() {
            body += &share(machine, self.until())?;
        }
        Ok(page(&title, &body))
    }

    fn bars(&self) -> String {
        let parts =
            |part: fn(&Run) -> f64| -> Vec<_> { self.runs.iter().map(|run| (run.title(), part(run))).collect() };
        let right = bars("Right in time, of all asked for", "good", &parts(|run| run.on_time_accuracy));
        let accuracy = bars("Accuracy of the answers given", "good", &parts(|run| run.accuracy));
        let missed = bars("Requests that missed their deadline", "bad", &parts(|run| run.miss_rate));
        accuracy + &missed + &right
    }

    /// End of all time axes: when the last work of any run ended.
    fn until(&self) -> Nanos {
        let serving = self.runs.iter().flat_map(|run| &run.records);
        let all = serving.chain(self.training.iter().flat_map(|run| &run.records));
        all.map(|record| record.finished.unwrap_or(record.started).max(record.arrival)).max().unwrap_or_default()
    }
}

fn serving(run: &Run, until: Nanos, trace: Option<&Trace>) -> Result<String, Error> {
    let plots = Plots {
        records: &run.records,
        densities: &run.densities,
        until,
        latency: "latency, ms",
        due_ms: common_deadline(&run.records),
    };
    let note = format!(
        "{} of {} requests missed the deadline (line; red at the upper edge: dropped, or off the scale), accuracy {:.2} %, {} switches",
        run.missed,
        run.requests,
        100.0 * run.accuracy,
        run.switches
    );
    section(&run.title(), &note, &plots, trace)
}

fn training(run: &TrainingRun, until: Nanos, trace: Option<&Trace>) -> Result<String, Error> {
    let plots = Plots { records: &run.records, densities: &run.densities, until, latency: "step, ms", due_ms: None };
    let lost = if run.lost > 0 { format!(", {} lost and made again", run.lost) } else { String::new() };
    let note = format!(
        "{} of {} steps in time, due at {:.2} s, {} switches{lost}",
        run.done, run.steps, run.deadline_s, run.switches
    );
    section(&run.title(), &note, &plots, trace)
}

/// The plots of a run under its title; nothing for a run without records.
fn section(title: &str, note: &str, plots: &Plots, trace: Option<&Trace>) -> Result<String, Error> {
    if plots.records.is_empty() {
        return Ok(String::new());
    }
    let share = trace.map_or(Ok(String::new()), |trace| plots.share(trace))?;
    let drawn = [share, plots.density()?, plots.latencies()?].concat();
    Ok(card(&(caption(title, note) + &drawn)))
}

/// The share of a machine of a fleet.
fn share(machine: &MachineRun, until: Nanos) -> Result<String, Error> {
    let Some(share) = &machine.share else { return Ok(String::new()) };
    let plots = Plots { records: &[], densities: &[], until, latency: "", due_ms: None };
    let seconds = |outage: &Outage| match outage.to {
        Nanos::MAX => format!("from {:.2} s on", outage.from.seconds()),
        to => format!("{:.2} to {:.2} s", outage.from.seconds(), to.seconds()),
    };
    let within: Vec<String> = machine.outages.iter().filter(|outage| outage.from < until).map(seconds).collect();
    let note = if within.is_empty() { "always there".to_owned() } else { format!("away {}", within.join(", ")) };
    Ok(card(&(caption(&machine.machine, &note) + &plots.share(share)?)))
}

/// The time from arrival to due in milliseconds, when it is the same for all.
fn common_deadline(records: &[Record]) -> Option<f64> {
    let span = |record: &Record| record.due - record.arrival;
    let first = span(records.first()?);
    records.iter().all(|record| span(record) == first).then(|| first.millis())
}
