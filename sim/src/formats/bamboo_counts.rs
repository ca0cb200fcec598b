//! Spot machines alive (Thorpe et al., "Bamboo", NSDI 2023), as drawn in figures.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// CSV without a header: a time and a count, each change drawn as two points at one time. Whole numbers are seconds; numbers with three decimals
/// are hours. A file has one of the two.
#[derive(Clone, Copy, Debug)]
pub struct BambooCounts;

impl TraceFormat for BambooCounts {
    fn name(&self) -> &'static str {
        "bamboo_counts"
    }

    fn about(&self) -> &'static str {
        "Bamboo: spot machines alive (CSV without header: seconds,count or hours with three decimals,count)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let parts: Vec<&str> = source.first_line().split(',').collect();
        let numbers = matches!(parts[..], [time, count] if is_time(time) && count.parse::<u64>().is_ok());
        source.name.starts_with("aws-spot-instances") && numbers
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.without_header(&["time", "count"]);
        let mut samples = Samples::new(options, Order::Changes, Where::Text(1));
        let (mut in_hours, mut before) = (None, 0);
        while let Some(row) = sheet.next_row()? {
            let hours = *in_hours.get_or_insert(row.text(0)?.contains('.'));
            let (understand, what): (fn(&str) -> Option<i64>, _) = match hours {
                true => (hours_of, "hours with three decimals, as on the lines before"),
                false => (seconds_of, "whole seconds, as on the lines before"),
            };
            let time = row.time(0, understand, what)?;
            if time < before {
                return Err(row.wrong(0, "a time not before the last"));
            }
            before = time;
            samples.push("live", Unit::Count, (time, row.count(1)?), row.line())?;
        }
        if in_hours == Some(true) {
            sheet.note(Note::at(1, "times have three decimals; they are taken as hours"));
        }
        samples.finish(sheet.into_notes())
    }
}

fn is_time(text: &str) -> bool {
    seconds_of(text).or(hours_of(text)).is_some()
}

fn seconds_of(text: &str) -> Option<i64> {
    (!text.contains('.')).then(|| stamps::seconds(text))?
}

fn hours_of(text: &str) -> Option<i64> {
    let (_, decimals) = text.split_once('.')?;
    (decimals.len() == 3).then(|| stamps::decimal(text, 3_600_000_000_000))?
}
