//! Spot machines that come and go (Thorpe et al., "Bamboo", NSDI 2023).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::records::{self, Field, Kind, Records};
use crate::samples::Where;
use crate::stamps;
use crate::unit::Unit;

/// CSV without a header: milliseconds, `add` or `remove`, name of the machine. One event for each line, with `change` and `node`.
#[derive(Clone, Copy, Debug)]
pub struct BambooEvents;

impl TraceFormat for BambooEvents {
    fn name(&self) -> &'static str {
        "bamboo_events"
    }

    fn about(&self) -> &'static str {
        "Bamboo: spot machines, added and removed (CSV without header: ms,add|remove,node)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let mut parts = source.first_line().split(',').map(str::trim);
        let time = parts.next().is_some_and(|time| stamps::millis(time).is_some());
        time && matches!(parts.next(), Some("add" | "remove")) && parts.count() == 1
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.without_header(&["ms", "change", "node"]);
        let field = |name: &str| Field::new(name, Unit::Number, Kind::Text);
        let mut marks = Records::new(vec![field("change"), field("node")], options.limits);
        let mut times = Vec::new();
        while let Some(row) = sheet.next_row()? {
            times.push((row.time(0, stamps::millis, "a number of milliseconds")?, row.line()));
            if !matches!(row.text(1)?, "add" | "remove") {
                return Err(row.wrong(1, "add or remove"));
            }
            marks.push(&row, 1)?;
        }
        records::events(times, &marks.finish()?, (false, Where::Text(1)), options, sheet.into_notes())
    }
}
