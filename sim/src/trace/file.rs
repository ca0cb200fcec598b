//! Traces and tables to files that [`formats::Native`](crate::formats::Native) reads back.
use crate::events::Events;
use crate::measurements::Measurements;
use crate::trace::Trace;
use std::fmt::Write;
use supple_strategy::Nanos;

#[cfg(feature = "full")]
pub use crate::trace::parquet::trace_parquet;

/// A trace as CSV. Its end policy is not written: the scenario says it.
pub fn trace_csv(trace: &Trace) -> String {
    let mut text = format!("seconds,{}\n", trace.unit());
    for &(time, value) in trace.points() {
        let _ = writeln!(text, "{},{value}", decimal(time));
    }
    let _ = writeln!(text, "{},end", decimal(trace.length()));
    text
}

/// Events as CSV.
pub fn events_csv(events: &Events) -> String {
    let times: Vec<String> = events.times().iter().map(|time| decimal(*time)).collect();
    csv(Some(("arrival_s", &times)), events.marks())
}

/// A table as CSV. No format reads it back, as no units stand in it.
pub fn measurements_csv(table: &Measurements) -> String {
    csv(None, table)
}

fn csv(first: Option<(&str, &[String])>, table: &Measurements) -> String {
    let quoted = |cell: &str| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_string(),
    };
    let names = first.iter().map(|(name, _)| (*name).to_string());
    let header: Vec<String> = names.chain(table.columns().iter().map(|column| quoted(&column.name))).collect();
    let mut text = header.join(",") + "\n";
    let rows = first.map_or(table.rows(), |(_, cells)| cells.len());
    for row in 0..rows {
        let leading = first.iter().map(|(_, cells)| cells[row].clone());
        let cells: Vec<String> =
            leading.chain(table.columns().iter().map(|column| quoted(&column.cells.text(row)))).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// Seconds as an exact decimal number.
pub(crate) fn decimal(time: Nanos) -> String {
    let text = format!("{}.{:09}", time.0 / 1_000_000_000, time.0 % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
