//! The format of the Numenta Anomaly Benchmark (<https://github.com/numenta/NAB>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `timestamp,value`; timestamps are `YYYY-mm-dd HH:MM:SS`. In the files on processor load a value is the
/// percentage that somebody else uses. Units stand in no file; they follow from the names of the files.
#[derive(Clone, Copy, Debug)]
pub struct Nab;

const HEADER: [&str; 2] = ["timestamp", "value"];

impl TraceFormat for Nab {
    fn name(&self) -> &'static str {
        "nab"
    }

    fn about(&self) -> &'static str {
        "Numenta Anomaly Benchmark: loads, requests, temperatures (CSV timestamp,value)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let unit = unit(source.name);
        let mut samples = Samples::new(options, Order::Regular, Where::Text(1));
        while let Some(row) = sheet.next_row()? {
            let time = row.time(0, stamps::civil, "a time YYYY-mm-dd HH:MM:SS")?;
            samples.push("value", unit, (time, row.amount(1)?), row.line())?;
        }
        samples.finish(sheet.into_notes())
    }
}

fn unit(name: &str) -> Unit {
    let units = [
        ("cpu_utilization", Unit::Percent),
        ("disk_write_bytes", Unit::Bytes),
        ("network_in", Unit::Bytes),
        ("NetworkIn", Unit::Bytes),
        ("request_count", Unit::Count),
        ("Twitter_volume", Unit::Count),
    ];
    units.iter().find(|(part, _)| name.contains(part)).map_or(Unit::Number, |(_, unit)| *unit)
}
