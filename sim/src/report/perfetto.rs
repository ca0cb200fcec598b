//! The runs as a trace file of Chrome and Perfetto.
use super::{MachineRun, Report};
use crate::trace::Trace;
use serde_json::{Value, json};
use supple_strategy::{Nanos, Record};

/// Threads of a process, as the viewer names them: each run is a process.
const THREADS: [&str; 2] = ["work", "missed"];

impl Report {
    /// The contents of a JSON file in the Trace Event Format, for `ui.perfetto.dev` or `chrome://tracing`: a process for each run that still has its
    /// records, in it the pieces of work by rung with their waiting times, what was missed, and the density and, where it is given, the share as counters;
    /// and a process for each machine of a fleet, with its share and when it was away.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn perfetto<'a>(&self, trace: impl Into<Option<&'a Trace>>) -> serde_json::Result<String> {
        let trace = trace.into();
        let serving = self.runs.iter().map(|run| (run.title(), &run.records, &run.densities));
        let training = self.training.iter().map(|run| (run.title(), &run.records, &run.densities));
        let mut events = Vec::new();
        for (process, (title, records, densities)) in serving.chain(training).enumerate() {
            name_process(process, &title, &mut events);
            records.iter().enumerate().for_each(|(i, record)| work(process, i, record, &mut events));
            densities_over_time(process, records, densities, &mut events);
            if let Some(trace) = trace {
                share_over_time(process, last(records), trace, &mut events);
            }
        }
        let runs = self.runs.len() + self.training.len();
        let records = self.runs.iter().map(|run| &run.records).chain(self.training.iter().map(|run| &run.records));
        let until = records.map(|records| last(records)).max().unwrap_or_default();
        for (i, machine) in self.machines_once().enumerate() {
            machine_over_time(runs + i, machine, until, &mut events);
        }
        let about = json!({ "scenario": self.scenario, "seed": self.seed });
        serde_json::to_string(&json!({ "traceEvents": events, "displayTimeUnit": "ms", "otherData": about }))
    }
}

/// Microseconds, the unit of the format.
fn micros(when: Nanos) -> f64 {
    when.0 as f64 / 1e3
}

fn name_process(process: usize, title: &str, events: &mut Vec<Value>) {
    events.push(json!({ "name": "process_name", "ph": "M", "pid": process, "args": { "name": title } }));
    for (thread, name) in THREADS.iter().enumerate() {
        events
            .push(json!({ "name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": { "name": name } }));
    }
}

/// A piece of work: how long it waited (an asynchronous span), how long it ran, and whether it was missed.
fn work(process: usize, number: usize, record: &Record, events: &mut Vec<Value>) {
    let (arrival, started) = (micros(record.arrival), micros(record.started));
    if started > arrival {
        for (phase, when) in [("b", arrival), ("e", started)] {
            let span = json!({ "name": "waiting", "cat": "queue", "ph": phase, "id": number, "pid": process, "tid": 0, "ts": when });
            events.push(span);
        }
    }
    if let Some(finished) = record.finished {
        let about = json!({ "piece": number, "right": record.outcome.right, "of": record.outcome.of, "due_us": micros(record.due) });
        let name = format!("rung {}", record.rung);
        let span = micros(finished - record.started);
        events.push(json!({
            "name": name, "cat": "work", "ph": "X", "pid": process, "tid": 0, "ts": started, "dur": span, "args": about,
        }));
    }
    if record.missed() {
        let (name, when) = record.finished.map_or(("dropped", started), |finished| ("late", micros(finished)));
        let about = json!({ "piece": number });
        events.push(json!({ "name": name, "ph": "i", "s": "t", "pid": process, "tid": 1, "ts": when, "args": about }));
    }
}

fn counter(process: usize, name: &str, when: Nanos, value: f64) -> Value {
    json!({ "name": name, "ph": "C", "pid": process, "ts": micros(when), "args": { name: value } })
}

fn densities_over_time(process: usize, records: &[Record], densities: &[f64], events: &mut Vec<Value>) {
    let mut rung = None;
    for record in records.iter().filter(|record| record.finished.is_some()) {
        if rung.replace(record.rung) != Some(record.rung) {
            let density = densities.get(record.rung).copied().unwrap_or(1.0);
            events.push(counter(process, "density", record.started, density));
        }
    }
}

/// When the last piece of work ended.
fn last(records: &[Record]) -> Nanos {
    records.iter().map(|record| record.finished.unwrap_or(record.started)).max().unwrap_or_default()
}

fn share_over_time(process: usize, until: Nanos, trace: &Trace, events: &mut Vec<Value>) {
    let next = |&when: &Nanos| trace.next_change(when).filter(|next| *next < until);
    let changes = std::iter::successors(Some(Nanos::ZERO), next);
    events.extend(changes.map(|when| counter(process, "share", when, trace.at(when))));
}

fn machine_over_time(process: usize, machine: &MachineRun, until: Nanos, events: &mut Vec<Value>) {
    let name = format!("machine {}", machine.machine);
    events.push(json!({ "name": "process_name", "ph": "M", "pid": process, "args": { "name": name } }));
    if let Some(share) = &machine.share {
        share_over_time(process, until, share, events);
    }
    for outage in machine.outages.iter().filter(|outage| outage.from < until) {
        let span = micros(outage.to.min(until) - outage.from);
        events.push(json!({
            "name": "away", "cat": "machine", "ph": "X", "pid": process, "tid": 0, "ts": micros(outage.from), "dur": span,
        }));
    }
}
