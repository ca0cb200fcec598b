//! Spot machines alive (Thorpe et al., "Bamboo", NSDI 2023), as logged about once a minute.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// Lines `YYYY-mm-dd, HH:MM:SS, COUNT` without a header: the trace `live`. Two loggers wrote into some files, so that lines may stand in any order.
#[derive(Clone, Copy, Debug)]
pub struct BambooLive;

impl TraceFormat for BambooLive {
    fn name(&self) -> &'static str {
        "bamboo_live"
    }

    fn about(&self) -> &'static str {
        "Bamboo: spot machines alive (text without header: date, time, count)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let parts: Vec<&str> = source.first_line().split(',').map(str::trim).collect();
        matches!(parts[..], [date, time, count]
            if stamps::date_and_time(date, time).is_some() && count.parse::<u64>().is_ok())
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.without_header(&["date", "time", "count"]);
        let mut samples = Samples::new(options, Order::Changes, Where::Text(2));
        while let Some(row) = sheet.next_row()? {
            let time = stamps::date_and_time(row.text(0)?, row.text(1)?);
            let time = time.ok_or_else(|| row.wrong(1, "a date YYYY-mm-dd and a time HH:MM:SS"))?;
            samples.push("live", Unit::Count, (time, row.count(2)?), row.line())?;
        }
        samples.finish(sheet.into_notes())
    }
}
