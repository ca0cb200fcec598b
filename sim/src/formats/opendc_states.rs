//! States of machines in OpenDC's older form (<https://github.com/atlarge-research/opendc>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::unit::Unit;
use std::collections::BTreeMap;

/// Parquet with the columns `id`, `timestamp`, `duration` (ms), `cpu_count` and `cpu_usage` (MHz). A timestamp is the end of the time that a row
/// speaks of. There is one trace of the usage for each machine, named by its id.
#[derive(Clone, Copy, Debug)]
pub struct OpendcStates;

impl TraceFormat for OpendcStates {
    fn name(&self) -> &'static str {
        "opendc_states"
    }

    fn about(&self) -> &'static str {
        "OpenDC: CPU use of machines with times (Parquet; Bitbrains)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_columns(&["id", "timestamp", "duration", "cpu_count", "cpu_usage"])
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let columns = source.columns(options.limits)?;
        let (ids, usages) = (columns.texts("id")?, columns.amounts("cpu_usage")?);
        let (ends, durations) = (columns.times("timestamp", 1_000_000)?, columns.times("duration", 1_000_000)?);
        let mut samples = Samples::new(options, Order::Irregular, Where::Parquet("timestamp"));
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for (row, (id, usage)) in ids.iter().zip(usages).enumerate() {
            let (end, duration) = (ends[row], durations[row]);
            let start = end.checked_sub(duration).filter(|start| (0..end).contains(start));
            let start = start.ok_or_else(|| columns.wrong(row, "duration", &duration.to_string(), "nanoseconds above 0"))?;
            samples.push(id, Unit::Megahertz, (start, usage), row as u64 + 1)?;
            last.entry(id).and_modify(|last| *last = end.max(*last)).or_insert(end);
        }
        last.into_iter().for_each(|(id, end)| samples.ends(id, end));
        samples.finish(Vec::new())
    }
}
