//! Outages that users reported, as OpenDC keeps them (<https://github.com/atlarge-research/opendc>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::measurements::{Cells, Column, Measurements};
use crate::records;
use crate::samples::Where;
use crate::unit::Unit;

/// Parquet with the columns `failure_interval` (ms from the end of the outage before, as OpenDC's failure model reads it), `failure_duration` (ms)
/// and `failure_intensity` (the part of machines that fail): one event for each outage, when it begins, with `duration` and `intensity`.
#[derive(Clone, Copy, Debug)]
pub struct OpendcFailures;

const NAMES: [&str; 3] = ["failure_interval", "failure_duration", "failure_intensity"];

impl TraceFormat for OpendcFailures {
    fn name(&self) -> &'static str {
        "opendc_failures"
    }

    fn about(&self) -> &'static str {
        "OpenDC: outages with duration and intensity (Parquet)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_columns(&NAMES)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let columns = source.columns(options.limits)?;
        let (waits, durations) = (columns.times(NAMES[0], 1_000_000)?, columns.times(NAMES[1], 1_000_000)?);
        let intensities = columns.amounts(NAMES[2])?;
        if let Some(row) = intensities.iter().position(|intensity| *intensity > 1.0) {
            return Err(columns.wrong(row, NAMES[2], &intensities[row].to_string(), "a part from 0 to 1"));
        }
        let (mut times, mut now) = (Vec::with_capacity(waits.len()), 0i64);
        for (row, (wait, duration)) in waits.iter().zip(&durations).enumerate() {
            let late = || columns.wrong(row, NAMES[0], &wait.to_string(), "an outage before the year 2262");
            let start = now.checked_add(*wait).ok_or_else(late)?;
            now = start.checked_add(*duration).ok_or_else(late)?;
            times.push((start, row as u64 + 1));
        }
        let seconds = durations.iter().map(|nanos| Some(*nanos as f64 / 1e9)).collect();
        let marks = Measurements::new(vec![
            Column { name: "duration".to_string(), unit: Unit::Seconds, cells: Cells::Numbers(seconds) },
            Column {
                name: "intensity".to_string(),
                unit: Unit::Share,
                cells: Cells::Numbers(intensities.into_iter().map(Some).collect()),
            },
        ])?;
        records::events(times, &marks, (false, Where::Parquet(NAMES[0])), options, Vec::new())
    }
}
