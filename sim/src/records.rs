//! From rows to tables and events: what is common to formats that are lists of records.
use crate::error::Error;
use crate::events::Events;
use crate::format::{Content, ReadOptions, Source, Times, TraceFormat};
use crate::limits::Limits;
use crate::measurements::{Cells, Column, Measurements};
use crate::note::{Note, Noted};
use crate::samples::Where;
use crate::text::{Row, Sheet};
use crate::unit::Unit;
use supple_strategy::Nanos;

/// What may stand in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A finite number, not below zero.
    Amount,
    /// A whole number, not below zero.
    Count,
    /// An amount, or nothing where it was not measured.
    MaybeAmount,
    /// An amount; `nan` says that it was never reached, which becomes infinity.
    AmountOrNever,
}

/// A column of a file: its name, its unit, and what may stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    unit: Unit,
    kind: Kind,
}

impl Field {
    /// A column.
    pub fn new(name: impl Into<String>, unit: Unit, kind: Kind) -> Self {
        Self { name: name.into(), unit, kind }
    }
}

/// Columns that fill row by row.
pub struct Records {
    kinds: Vec<Kind>,
    columns: Vec<Column>,
    limits: Limits,
    cells: usize,
    first_never: Option<u64>,
}

impl Records {
    /// No rows yet.
    pub fn new(fields: Vec<Field>, limits: Limits) -> Self {
        let kinds = fields.iter().map(|field| field.kind).collect();
        let column = |Field { name, unit, kind }| {
            let cells = if kind == Kind::Text { Cells::Texts(Vec::new()) } else { Cells::Numbers(Vec::new()) };
            Column { name, unit, cells }
        };
        Self { kinds, columns: fields.into_iter().map(column).collect(), limits, cells: 0, first_never: None }
    }

    /// Adds a row, whose first field stands in the column `from` of the file (from 0).
    ///
    /// # Errors
    /// At a field that is not as it must be, or when there are more cells than the limits allow.
    pub fn push(&mut self, row: &Row<'_>, from: usize) -> Result<(), Error> {
        self.cells += self.columns.len();
        if self.cells > self.limits.cells {
            return Err(row.wrong(0, &format!("at most {} cells before", self.limits.cells)));
        }
        for (i, (column, kind)) in self.columns.iter_mut().zip(&self.kinds).enumerate() {
            match &mut column.cells {
                Cells::Texts(cells) => cells.push(row.text(from + i)?.to_string()),
                Cells::Numbers(cells) => cells.push(number(row, from + i, *kind)?),
            }
        }
        let never = |column: &Column| matches!(&column.cells, Cells::Numbers(cells) if cells.last() == Some(&NEVER));
        if self.first_never.is_none() && self.columns.iter().any(never) {
            self.first_never = Some(row.line());
        }
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// When two columns have one name.
    pub fn finish(self) -> Result<Measurements, Error> {
        Measurements::new(self.columns)
    }

    /// The table, with the notes on the sheet that it was read from.
    ///
    /// # Errors
    /// When two columns have one name, or there are no rows.
    pub fn into_content(self, sheet: Sheet<'_>) -> Result<Noted<Content>, Error> {
        let mut notes = sheet.into_notes();
        if let Some(line) = self.first_never {
            notes.push(Note::at(line, "nan says that it was never reached; it becomes infinity"));
        }
        let table = self.finish()?;
        if table.rows() == 0 {
            return Err(Error::text(2, 1, "expected at least one row, found none"));
        }
        Ok(Noted { value: Content::Measurements(table), notes })
    }
}

const NEVER: Option<f64> = Some(f64::INFINITY);

fn number(row: &Row<'_>, column: usize, kind: Kind) -> Result<Option<f64>, Error> {
    match kind {
        Kind::MaybeAmount if row.text(column)?.is_empty() => Ok(None),
        Kind::AmountOrNever if row.text(column)? == "nan" => Ok(NEVER),
        Kind::Count => row.count(column).map(Some),
        _ => row.amount(column).map(Some),
    }
}

/// A format that is a table and no more: CSV whose header is the names of its columns, in this order.
#[derive(Clone, Copy, Debug)]
pub struct TableFormat {
    /// Short name, as in scenarios.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The columns.
    pub columns: &'static [(&'static str, Unit, Kind)],
}

impl TableFormat {
    fn header(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, ..)| *name).collect()
    }
}

impl TraceFormat for TableFormat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&self.header())
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&self.header())?;
        let fields = self.columns.iter().map(|&(name, unit, kind)| Field::new(name, unit, kind)).collect();
        let mut records = Records::new(fields, options.limits);
        while let Some(row) = sheet.next_row()? {
            records.push(&row, 0)?;
        }
        records.into_content(sheet)
    }
}

/// Times of events, each with the line or row that it stands in.
pub type Instants = Vec<(i64, u64)>;

/// Events from their times, in nanoseconds from any origin, and what is known of each; relative to the first.
///
/// # Errors
/// When there are none, or at the first time that goes back, unless the options or `sorts`, the format, say that order means nothing.
pub fn events(
    times: Instants,
    marks: &Measurements,
    (sorts, place): (bool, Where),
    options: &ReadOptions,
    mut notes: Vec<Note>,
) -> Result<Noted<Content>, Error> {
    let first = times.iter().map(|time| time.0).min();
    let first = first.ok_or_else(|| place.error(2, "expected at least one event, found none".to_string()))?;
    let mut order: Vec<usize> = (0..times.len()).collect();
    if let Some(pair) = times.windows(2).find(|pair| pair[0].0 > pair[1].0) {
        let by = (pair[0].0 - pair[1].0) as f64 / 1e9;
        if options.times == Times::Strict && !sorts {
            let message =
                format!("the time goes back by {by} s, expected a time not before the last (or times = \"sort\")");
            return Err(place.error(pair[1].1, message));
        }
        notes.push(Note::at(pair[1].1, format!("the time goes back by {by} s; the events were sorted by time")));
        order.sort_by_key(|event| times[*event].0);
    }
    let nanos = order.iter().map(|event| Nanos(times[*event].0.abs_diff(first))).collect();
    let events = Events::new(nanos, marks.ordered(&order))?;
    Ok(Noted { value: Content::Events(events), notes })
}
