//! Tasks of OpenDC (<https://github.com/atlarge-research/opendc>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::measurements::{Cells, Column, Measurements};
use crate::records;
use crate::samples::Where;
use crate::unit::Unit;

/// Parquet with the columns `id`, `submission_time` (ms), `duration` (ms), `cpu_count`, `cpu_capacity` (MHz) and `mem_capacity`: one event for
/// each task, when it is submitted. Rows may stand in any order.
#[derive(Clone, Copy, Debug)]
pub struct OpendcTasks;

const NAMES: [&str; 6] = ["id", "submission_time", "duration", "cpu_count", "cpu_capacity", "mem_capacity"];
const TIME: &str = "submission_time";

impl TraceFormat for OpendcTasks {
    fn name(&self) -> &'static str {
        "opendc_tasks"
    }

    fn about(&self) -> &'static str {
        "OpenDC: arrivals of tasks with their sizes (Parquet; Bitbrains, SURF Lisa)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_columns(&NAMES)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let columns = source.columns(options.limits)?;
        let numbers = |name: &str, unit| {
            let cells = Cells::Numbers(columns.amounts(name)?.into_iter().map(Some).collect());
            Ok(Column { name: name.to_string(), unit, cells })
        };
        let marks = vec![
            Column { name: "id".to_string(), unit: Unit::Number, cells: Cells::Texts(columns.texts("id")?) },
            numbers("duration", Unit::Milliseconds)?,
            numbers("cpu_count", Unit::Count)?,
            numbers("cpu_capacity", Unit::Megahertz)?,
            numbers("mem_capacity", Unit::Number)?,
        ];
        let times = columns.times(TIME, 1_000_000)?.into_iter().zip(1..).collect();
        records::events(times, &Measurements::new(marks)?, (true, Where::Parquet(TIME)), options, Vec::new())
    }
}
