//! Fragments of tasks of OpenDC (<https://github.com/atlarge-research/opendc>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::unit::Unit;
use std::collections::BTreeMap;

/// Parquet with the columns `id`, `duration` (ms) and `cpu_usage` (MHz): the fragments of a task follow each other from its start. There is one
/// trace for each task, named by its id. When tasks begin stands in another file, see [`OpendcTasks`](crate::formats::OpendcTasks).
#[derive(Clone, Copy, Debug)]
pub struct OpendcFragments;

impl TraceFormat for OpendcFragments {
    fn name(&self) -> &'static str {
        "opendc_fragments"
    }

    fn about(&self) -> &'static str {
        "OpenDC: CPU use of tasks, fragment by fragment (Parquet; Bitbrains, SURF Lisa)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_columns(&["id", "duration", "cpu_usage"])
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let columns = source.columns(options.limits)?;
        let (ids, usages) = (columns.texts("id")?, columns.amounts("cpu_usage")?);
        let durations = columns.times("duration", 1_000_000)?;
        let mut samples = Samples::new(options, Order::Irregular, Where::Parquet("duration"));
        let mut ends: BTreeMap<&str, i64> = BTreeMap::new();
        for (row, (id, (duration, usage))) in ids.iter().zip(durations.into_iter().zip(usages)).enumerate() {
            let end = ends.entry(id).or_default();
            samples.push(id, Unit::Megahertz, (*end, usage), row as u64 + 1)?;
            let longer = end.checked_add(duration).filter(|longer| longer > end);
            *end = longer.ok_or_else(|| columns.wrong(row, "duration", &duration.to_string(), "nanoseconds above 0"))?;
        }
        ends.into_iter().for_each(|(id, end)| samples.ends(id, end));
        samples.finish(Vec::new())
    }
}
