//! Tables as Parquet files.
use super::{MachineRow, Row};
use crate::error::Error;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::sync::Arc;
use supple_strategy::Record;

/// What became of one piece of work of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    scenario: String,
    seed: u64,
    policy: String,
    model: Option<String>,
    record: Record,
}

impl Event {
    /// The events of a run.
    pub(super) fn all<'a>(row: &'a Row, records: &'a [Record]) -> impl Iterator<Item = Self> + 'a {
        records.iter().map(|&record| Self {
            scenario: row.scenario.clone(),
            seed: row.seed,
            policy: row.policy.clone(),
            model: row.model.clone(),
            record,
        })
    }
}

/// A column of a table of `T`: its name and where its values come from.
enum Column<T> {
    Text(&'static str, fn(&T) -> &str),
    MaybeText(&'static str, fn(&T) -> Option<&str>),
    Flag(&'static str, fn(&T) -> bool),
    Count(&'static str, fn(&T) -> u64),
    Number(&'static str, fn(&T) -> f64),
    Maybe(&'static str, fn(&T) -> Option<f64>),
}

/// The columns of the table of runs, as in [`Row`].
const RUNS: &[Column<Row>] = &[
    Column::Text("scenario", |row| &row.scenario),
    Column::Count("seed", |row| row.seed),
    Column::Text("policy", |row| &row.policy),
    Column::Flag("training", |row| row.training),
    Column::Count("asked", |row| row.asked),
    Column::Count("missed", |row| row.missed),
    Column::Number("miss_rate", |row| row.miss_rate),
    Column::Maybe("accuracy", |row| row.accuracy),
    Column::Number("right_in_time", |row| row.right_in_time),
    Column::Maybe("oracle", |row| row.oracle),
    Column::Maybe("regret", |row| row.regret),
    Column::Number("mean_density", |row| row.mean_density),
    Column::Number("p50_ms", |row| row.p50_ms),
    Column::Number("p95_ms", |row| row.p95_ms),
    Column::Number("p99_ms", |row| row.p99_ms),
    Column::Count("switches", |row| row.switches),
    Column::Number("took_s", |row| row.took_s),
    Column::MaybeText("model", |row| row.model.as_deref()),
    Column::MaybeText("stopped", |row| row.stopped.map(|reason| reason.name())),
    Column::Maybe("worth", |row| row.worth),
];

/// The columns of the table of machines, as in [`MachineRow`].
const MACHINES: &[Column<MachineRow>] = &[
    Column::Text("scenario", |row| &row.scenario),
    Column::Count("seed", |row| row.seed),
    Column::Text("policy", |row| &row.run.policy),
    Column::Text("machine", |row| &row.run.machine),
    Column::Count("done", |row| row.run.done as u64),
    Column::Count("killed", |row| row.run.killed as u64),
    Column::Count("lost", |row| row.run.lost as u64),
    Column::Number("processor_s", |row| row.run.processor_s),
    Column::Number("away", |row| row.run.away),
    Column::Count("most_held", |row| row.run.most_held),
    Column::Maybe("moved", |row| row.run.moved.map(|bytes| bytes as f64)),
    Column::Maybe("transferred", |row| row.run.transferred.map(|bytes| bytes as f64)),
    Column::Maybe("joules", |row| row.run.joules),
    Column::Maybe("hottest_c", |row| row.run.hottest_c),
    Column::Maybe("throttled_s", |row| row.run.throttled_s),
];

/// The columns of an event table; times in seconds, `finished_s` missing where the request was dropped.
const EVENTS: &[Column<Event>] = &[
    Column::Text("scenario", |event| &event.scenario),
    Column::Count("seed", |event| event.seed),
    Column::Text("policy", |event| &event.policy),
    Column::Number("arrival_s", |event| event.record.arrival.seconds()),
    Column::Number("due_s", |event| event.record.due.seconds()),
    Column::Number("started_s", |event| event.record.started.seconds()),
    Column::Maybe("finished_s", |event| event.record.finished.map(|end| end.seconds())),
    Column::Count("rung", |event| event.record.rung as u64),
    Column::Count("right", |event| event.record.outcome.right.into()),
    Column::Count("of", |event| event.record.outcome.of.into()),
    Column::MaybeText("model", |event| event.model.as_deref()),
];

/// The table of runs.
pub(super) fn runs(rows: &[Row]) -> Result<Vec<u8>, Error> {
    encode("run", RUNS, rows)
}

/// The table of machines.
pub(super) fn machines(rows: &[MachineRow]) -> Result<Vec<u8>, Error> {
    encode("machine", MACHINES, rows)
}

/// The table of events.
pub(super) fn events(events: &[Event]) -> Result<Vec<u8>, Error> {
    encode("event", EVENTS, events)
}

fn encode<T>(name: &str, columns: &[Column<T>], rows: &[T]) -> Result<Vec<u8>, Error> {
    write(name, columns, rows).map_err(|cause| Error::field(format!("table of {name}s: {cause}"), "a Parquet file"))
}

fn write<T>(name: &str, columns: &[Column<T>], rows: &[T]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(|column| column.schema().map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder(name).with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    columns.iter().try_for_each(|column| column.write(rows, &mut group))?;
    group.close()?;
    writer.into_inner()
}

impl<T> Column<T> {
    fn schema(&self) -> Result<Type, ParquetError> {
        let (name, physical, logical, repetition) = match self {
            Self::Text(name, _) => (name, Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
            Self::MaybeText(name, _) => (name, Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
            Self::Flag(name, _) => (name, Physical::BOOLEAN, None, Repetition::REQUIRED),
            Self::Count(name, _) => (name, Physical::INT64, None, Repetition::REQUIRED),
            Self::Number(name, _) => (name, Physical::DOUBLE, None, Repetition::REQUIRED),
            Self::Maybe(name, _) => (name, Physical::DOUBLE, None, Repetition::OPTIONAL),
        };
        Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition).build()
    }

    fn write(&self, rows: &[T], group: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<(), ParquetError> {
        match self {
            Self::Text(_, of) => {
                let texts: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(of(row))).collect();
                put::<ByteArrayType>(group, &texts, None)
            }
            Self::MaybeText(_, of) => {
                let texts: Vec<ByteArray> = rows.iter().filter_map(of).map(ByteArray::from).collect();
                put::<ByteArrayType>(group, &texts, Some(&levels(rows.iter().map(|row| of(row).is_some()))))
            }
            Self::Flag(_, of) => put::<BoolType>(group, &rows.iter().map(of).collect::<Vec<_>>(), None),
            Self::Count(_, of) => {
                put::<Int64Type>(group, &rows.iter().map(|row| of(row) as i64).collect::<Vec<_>>(), None)
            }
            Self::Number(_, of) => put::<DoubleType>(group, &rows.iter().map(of).collect::<Vec<_>>(), None),
            Self::Maybe(_, of) => {
                let levels = levels(rows.iter().map(|row| of(row).is_some()));
                put::<DoubleType>(group, &rows.iter().filter_map(of).collect::<Vec<_>>(), Some(&levels))
            }
        }
    }
}

/// Definition levels of values that are there or not.
fn levels(there: impl Iterator<Item = bool>) -> Vec<i16> {
    there.map(i16::from).collect()
}

fn put<D: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[D::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column too many".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<D>().write_batch(values, levels, None)?;
    column.close()
}
