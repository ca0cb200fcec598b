//! Training jobs that arrive (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::records::{self, Field, Kind, Records};
use crate::samples::Where;
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `name,time,application,num_replicas,batch_size`: one event for each job. The first arrives at time zero of the events.
#[derive(Clone, Copy, Debug)]
pub struct PolluxWorkload;

const HEADER: [&str; 5] = ["name", "time", "application", "num_replicas", "batch_size"];

impl TraceFormat for PolluxWorkload {
    fn name(&self) -> &'static str {
        "pollux_workload"
    }

    fn about(&self) -> &'static str {
        "Pollux: arrivals of training jobs (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let fields = vec![
            Field::new(HEADER[2], Unit::Number, Kind::Text),
            Field::new(HEADER[3], Unit::Count, Kind::Count),
            Field::new(HEADER[4], Unit::Count, Kind::Count),
        ];
        let mut marks = Records::new(fields, options.limits);
        let mut times = Vec::new();
        while let Some(row) = sheet.next_row()? {
            times.push((row.time(1, stamps::seconds, "a number of seconds")?, row.line()));
            marks.push(&row, 2)?;
        }
        records::events(times, &marks.finish()?, (false, Where::Text(2)), options, sheet.into_notes())
    }
}
