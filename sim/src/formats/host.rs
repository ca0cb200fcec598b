//! A machine as Supple's recorder sees it, second by second.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `t_s,dt_s,...`: one trace for each column but the two, whose unit is the end of its name (`_pct`, `_mib`, `_kib_s`, `_us`).
#[derive(Clone, Copy, Debug)]
pub struct Host;

const HEADER: [&str; 2] = ["t_s", "dt_s"];

impl TraceFormat for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn about(&self) -> &'static str {
        "Supple's recorder: load, steal, pressure, memory, network and a speed probe (CSV t_s,dt_s,...)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.first_line().starts_with("t_s,dt_s,")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        let names = sheet.header()?.to_vec();
        if let Some(i) = (0..3).find(|&i| names.get(i).is_none_or(|name| HEADER.get(i).is_some_and(|it| it != name))) {
            let expected = HEADER.get(i).unwrap_or(&"a column of values");
            return Err(Error::text(1, i as u64 + 1, format!("expected the column `{expected}`")));
        }
        let columns: Vec<(String, Unit)> = names.into_iter().skip(2).map(|name| (name.clone(), unit(&name))).collect();
        let mut samples = Samples::new(options, Order::Regular, Where::Text(1));
        while let Some(row) = sheet.next_row()? {
            let time = row.time(0, stamps::seconds, "a number of seconds")?;
            row.amount(1)?;
            for (i, (name, unit)) in columns.iter().enumerate() {
                samples.push(name, *unit, (time, row.amount(i + 2)?), row.line())?;
            }
        }
        samples.finish(sheet.into_notes())
    }
}

fn unit(name: &str) -> Unit {
    let units = [
        ("_pct", Unit::Percent),
        ("_mib", Unit::Mebibytes),
        ("_kib_s", Unit::KibibytesPerSecond),
        ("_us", Unit::Microseconds),
        ("runnable", Unit::Count),
    ];
    units.iter().find(|(suffix, _)| name.ends_with(suffix)).map_or(Unit::Number, |(_, unit)| *unit)
}
