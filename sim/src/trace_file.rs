//! Traces and tables to files that [`formats::Native`](crate::formats::Native) reads back.
use crate::error::Error;
use crate::events::Events;
use crate::measurements::Measurements;
use crate::trace::Trace;
use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fmt::Write;
use std::sync::Arc;
use supple_strategy::Nanos;

/// Name of the column of times in Parquet.
pub(crate) const NANOS: &str = "nanos";
/// Name of the metadata entry that says when a trace in Parquet ends.
pub(crate) const LENGTH: &str = "supple.length_nanos";

/// A trace as CSV. Its end policy is not written: the scenario says it.
pub fn trace_csv(trace: &Trace) -> String {
    let mut text = format!("seconds,{}\n", trace.unit());
    for &(time, value) in trace.points() {
        let _ = writeln!(text, "{},{value}", decimal(time));
    }
    let last = trace.points().last().map_or(Nanos::ZERO, |point| point.0);
    if trace.length() > last {
        let _ = writeln!(text, "{},end", decimal(trace.length()));
    }
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

/// A trace as Parquet. Its end policy is not written: the scenario says it.
///
/// # Errors
/// When a time is too late for 64 bits with a sign.
pub fn trace_parquet(trace: &Trace) -> Result<Vec<u8>, Error> {
    let signed =
        |time: Nanos| i64::try_from(time.0).map_err(|_| Error::field(format!("time = {time}"), "at most 292 years"));
    let times = trace.points().iter().map(|point| signed(point.0)).collect::<Result<Vec<i64>, Error>>()?;
    let values: Vec<f64> = trace.points().iter().map(|point| point.1).collect();
    let length = signed(trace.length())?;
    let length = (length > times[times.len() - 1]).then_some(length);
    encoded(trace.unit().text(), &times, &values, length)
        .map_err(|error| Error::field("Parquet", format!("columns that can be encoded ({error})")))
}

fn encoded(unit: &str, times: &[i64], values: &[f64], length: Option<i64>) -> Result<Vec<u8>, ParquetError> {
    let column = |name, physical| {
        Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
    };
    let fields = vec![column(NANOS, Physical::INT64)?, column(unit, Physical::DOUBLE)?];
    let schema = Arc::new(Type::group_type_builder("trace").with_fields(fields).build()?);
    let entries = length.map(|length| vec![KeyValue::new(LENGTH.to_string(), length.to_string())]);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(entries);
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build()))?;
    let mut group = file.next_row_group()?;
    if let Some(mut column) = group.next_column()? {
        column.typed::<Int64Type>().write_batch(times, None, None)?;
        column.close()?;
    }
    if let Some(mut column) = group.next_column()? {
        column.typed::<DoubleType>().write_batch(values, None, None)?;
        column.close()?;
    }
    group.close()?;
    file.close()?;
    Ok(bytes)
}
