//! Supple's own format.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::records::{self, Field, Kind, Records};
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::text::{Sheet, clipped};
use crate::trace::Trace;
use crate::unit::Unit;

/// What [`trace::file`](crate::trace::file) writes.
///
/// - CSV of a trace: the header `seconds,UNIT`, where the unit is `share` for a share of the processor; a time in seconds, and the value from
///   then on. A last line `SECONDS,end` says when the trace ends; without it the last value lasts as long as the one before.
/// - Parquet of a trace: a column `nanos` of 64-bit times and a column of doubles named as the unit; the entry `supple.length_nanos` of the
///   metadata says when it ends.
/// - CSV of events: the header `arrival_s,...`; a time in seconds, and anything that is known of the event.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl TraceFormat for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn about(&self) -> &'static str {
        "Supple's own: traces in CSV (seconds,share) or Parquet, events in CSV (arrival_s,...)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let first = source.first_line();
        let known = first.strip_prefix("seconds,").is_some_and(|unit| Unit::parse(unit.trim()).is_some());
        #[cfg(feature = "full")]
        if source.is_parquet() {
            return crate::trace::parquet::knows(source);
        }
        known || first.split(',').next() == Some("arrival_s")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        #[cfg(feature = "full")]
        if source.is_parquet() {
            return crate::trace::parquet::read(source, options);
        }
        let mut sheet = source.sheet(options.limits)?;
        match sheet.header()?.first().map(String::as_str) {
            Some("arrival_s") => events(sheet, options),
            _ => trace(sheet, options),
        }
    }
}

fn trace(mut sheet: Sheet<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
    let name = unit_column(sheet.names())?;
    let mut samples = Samples::new(options, Order::Irregular, Where::Text(1));
    let (mut ended, mut latest) = (false, 0);
    let (most, range) = Trace::range(name);
    while let Some(row) = sheet.next_row()? {
        let time = row.time(0, stamps::seconds, "a number of seconds")?;
        if ended {
            return Err(row.wrong(0, "nothing after the line that says when the trace ends"));
        }
        ended = row.text(1)? == "end";
        if ended {
            if time < latest {
                return Err(row.wrong(0, "a time not before the last sample"));
            }
            samples.ends(name.text(), time);
            continue;
        }
        let value = row.amount(1)?;
        if value > most {
            return Err(row.wrong(1, range));
        }
        latest = latest.max(time);
        samples.push(name.text(), name, (time, value), row.line())?;
    }
    samples.finish(sheet.into_notes())
}

/// The unit that the second column is named after.
fn unit_column(names: &[String]) -> Result<Unit, Error> {
    let found = |i: usize| clipped(names.get(i).map_or("", String::as_str));
    if found(0) != "seconds" {
        return Err(Error::text(1, 1, format!("expected the column `seconds`, found `{}`", found(0))));
    }
    if names.len() > 2 {
        return Err(Error::text(1, 3, format!("expected 2 columns, found {}", names.len())));
    }
    Unit::parse(names.get(1).map_or("", String::as_str)).ok_or_else(|| {
        let units: Vec<&str> = Unit::ALL.iter().map(|unit| unit.text()).collect();
        Error::text(1, 2, format!("expected the column `share`, or another unit of {}; found `{}`", units.join(", "), found(1)))
    })
}

fn events(mut sheet: Sheet<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
    let names = sheet.names()[1..].to_vec();
    let fields = names.into_iter().map(|name| Field::new(name, Unit::Number, Kind::Text)).collect();
    let mut marks = Records::new(fields, options.limits);
    let mut times = Vec::new();
    while let Some(row) = sheet.next_row()? {
        times.push((row.time(0, stamps::seconds, "a number of seconds")?, row.line()));
        marks.push(&row, 1)?;
    }
    let marks = marks.finish()?.with_numbers();
    records::events(times, &marks, (false, Where::Text(1)), options, sheet.into_notes())
}
