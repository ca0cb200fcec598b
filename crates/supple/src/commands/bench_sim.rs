//! `supple bench sim`
use super::{End, table};
use anyhow::Result;
use serde::Serialize;
use std::time::Instant;
use supple_sim::cases::{self, Case};

/// A figure of a case on an engine.
#[derive(Serialize)]
struct Figure {
    case: &'static str,
    engine: &'static str,
    pending: usize,
    events_per_s: f64,
    /// Highest resident set of this process while the case ran; `None` where the system does not tell.
    peak_bytes: Option<u64>,
}

/// Times the event core, and its peers where they are built in; the best of `rounds` turns, in which all cases are run in turn.
///
/// # Errors
/// When a figure cannot be written as JSON.
pub fn run(events: u64, rounds: usize, json: bool) -> Result<End> {
    let cases = cases::all();
    let mut best: Vec<Option<Figure>> = cases.iter().map(|_| None).collect();
    for _ in 0..rounds.max(1) {
        for (case, best) in cases.iter().zip(&mut best) {
            let figure = measure(case, events);
            if best.as_ref().is_none_or(|best| figure.events_per_s > best.events_per_s) {
                *best = Some(figure);
            }
        }
    }
    report(best.into_iter().flatten(), json)
}

fn measure(case: &Case, events: u64) -> Figure {
    reset_peak();
    let mut run = (case.prepare)(case.pending);
    run(2 * case.pending as u64);
    let start = Instant::now();
    let happened = run(events);
    let events_per_s = happened as f64 / start.elapsed().as_secs_f64();
    Figure { case: case.name, engine: case.engine, pending: case.pending, events_per_s, peak_bytes: peak() }
}

fn report(figures: impl Iterator<Item = Figure>, json: bool) -> Result<End> {
    let mut rows = Vec::new();
    for figure in figures {
        if json {
            println!("{}", serde_json::to_string(&figure)?);
        }
        let (pending, rate) = (figure.pending.to_string(), format!("{:.2}", figure.events_per_s / 1e6));
        let peak = figure.peak_bytes.map_or("?".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        rows.push(vec![figure.case.to_owned(), figure.engine.to_owned(), pending, rate, peak]);
    }
    if !json {
        println!("{}", table(&["case", "engine", "pending", "million events/s", "peak MB"], rows));
    }
    Ok(End::Done)
}

/// Lets Linux count the highest resident set anew; elsewhere it does nothing.
fn reset_peak() {
    if let Err(error) = std::fs::write("/proc/self/clear_refs", "5") {
        log::debug!("the peak of memory counts from the start of the program: {error}");
    }
}

/// The highest resident set since it was reset, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * kilobytes)
}
