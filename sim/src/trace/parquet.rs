//! Traces as Parquet files.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::trace::Trace;
use crate::unit::Unit;
use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::sync::Arc;
use supple_strategy::Nanos;

/// Name of the column of times.
const NANOS: &str = "nanos";
/// Name of the entry that says when the trace ends.
const LENGTH: &str = "supple.length_nanos";

/// Whether a file is what [`trace_parquet`] writes.
pub(crate) fn knows(source: &Source<'_>) -> bool {
    source.columns(ReadOptions::default().limits).is_ok_and(|columns| columns.names().next() == Some(NANOS))
}

/// Reads what [`trace_parquet`] writes.
///
/// # Errors
/// When the file is not Parquet, larger than the limits, or has other columns.
pub(crate) fn read(source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
    let columns = source.columns(options.limits)?;
    let unit = columns.names().nth(1).and_then(Unit::parse);
    let unit =
        unit.ok_or_else(|| Error::field("the second column of the Parquet file", "the name of a unit, as `share`"))?;
    let (times, values) = (columns.times(NANOS, 1)?, columns.amounts(unit.text())?);
    let (most, range) = Trace::range(unit);
    if let Some(row) = values.iter().position(|value| *value > most) {
        return Err(columns.wrong(row, unit.text(), &values[row].to_string(), range));
    }
    let mut samples = Samples::new(options, Order::Irregular, Where::Parquet(NANOS));
    for (row, sample) in times.into_iter().zip(values).enumerate() {
        samples.push(unit.text(), unit, sample, row as u64 + 1)?;
    }
    if let Some(length) = columns.entry(LENGTH) {
        let nanos = length.parse::<i64>().ok().filter(|nanos| *nanos >= 0);
        samples.ends(unit.text(), nanos.ok_or_else(|| Error::field(format!("{LENGTH} = {length}"), "nanoseconds"))?);
    }
    samples.finish(Vec::new())
}

/// A trace as Parquet. Its end policy is not written: the scenario says it.
///
/// # Errors
/// When the columns cannot be encoded.
pub fn trace_parquet(trace: &Trace) -> Result<Vec<u8>, Error> {
    let (times, values): (Vec<i64>, Vec<f64>) =
        trace.points().iter().map(|&(time, value)| (time.0 as i64, value)).unzip();
    encoded(trace.unit().text(), &times, &values, trace.length())
        .map_err(|error| Error::field("Parquet", format!("columns that can be encoded ({error})")))
}

fn encoded(unit: &str, times: &[i64], values: &[f64], length: Nanos) -> Result<Vec<u8>, ParquetError> {
    let column = |name, physical| {
        Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
    };
    let fields = vec![column(NANOS, Physical::INT64)?, column(unit, Physical::DOUBLE)?];
    let schema = Arc::new(Type::group_type_builder("trace").with_fields(fields).build()?);
    let entries = vec![KeyValue::new(LENGTH.to_string(), length.0.to_string())];
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(Some(entries));
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
