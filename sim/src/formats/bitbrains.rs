//! One virtual machine of the Bitbrains data of the Grid Workloads Archive (GWA-T-12).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::text::clipped;
use crate::unit::Unit;

/// Columns separated by semicolons and tabs, with names and units in the header: `CPU usage [MHZ]` becomes the trace `cpu_usage_mhz`. The header
/// says that times are milliseconds; where they are so small that they would be in the first days of 1970, they are taken as seconds.
#[derive(Clone, Copy, Debug)]
pub struct Bitbrains;

const TIME: &str = "Timestamp [ms]";
/// In milliseconds, 1973; in seconds, the year 5138.
const MILLIS_FROM: f64 = 1e11;

impl TraceFormat for Bitbrains {
    fn name(&self) -> &'static str {
        "bitbrains"
    }

    fn about(&self) -> &'static str {
        "Bitbrains (GWA-T-12): CPU, memory, disk and network of one machine (text, semicolons)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.first_line().starts_with("Timestamp [ms];")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet_of(b';', options.limits)?;
        let names = sheet.header()?.to_vec();
        if names.first().map(String::as_str) != Some(TIME) {
            let found = clipped(names.first().map_or("", String::as_str));
            return Err(Error::text(1, 1, format!("expected the column `{TIME}`, found `{found}`")));
        }
        let columns = names.iter().enumerate().skip(1).map(|(i, name)| column(i, name)).collect::<Result<Vec<_>, _>>()?;
        let mut samples = Samples::new(options, Order::Regular, Where::Text(1));
        let mut seconds = None;
        while let Some(row) = sheet.next_row()? {
            let in_seconds = *seconds.get_or_insert(row.amount(0)? < MILLIS_FROM);
            let understand = if in_seconds { stamps::seconds } else { stamps::millis };
            let time = row.time(0, understand, "a number of milliseconds (or seconds) since 1970")?;
            for (i, (name, unit)) in columns.iter().enumerate() {
                samples.push(name, *unit, (time, row.amount(i + 1)?), row.line())?;
            }
        }
        if seconds == Some(true) {
            sheet.note(Note::at(2, "the header says milliseconds, but the times are taken as seconds: they would be in 1970"));
        }
        samples.finish(sheet.into_notes())
    }
}

/// Name and unit of a column, from its header.
fn column(index: usize, header: &str) -> Result<(String, Unit), Error> {
    let (name, unit) = header.split_once('[').map_or((header, ""), |(name, unit)| (name, unit.trim_end_matches(']')));
    let (unit, suffix) = match unit.to_ascii_uppercase().as_str() {
        "" => (Unit::Count, ""),
        "MHZ" => (Unit::Megahertz, "_mhz"),
        "%" => (Unit::Percent, "_percent"),
        "KB" => (Unit::Kilobytes, "_kb"),
        "KB/S" => (Unit::KilobytesPerSecond, "_kb_s"),
        _ => {
            let message = format!("the unit of `{}`, expected one of MHZ, %, KB, KB/s", clipped(header));
            return Err(Error::text(1, index as u64 + 1, message));
        }
    };
    Ok((name.trim().to_lowercase().replace(' ', "_") + suffix, unit))
}
