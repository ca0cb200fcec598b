//! The contract of a file format for traces, and what comes out of a file.
#[cfg(feature = "full")]
use crate::columns::Columns;
use crate::error::Error;
use crate::events::Events;
use crate::limits::Limits;
use crate::measurements::{Measurements, no_such};
use crate::note::Noted;
use crate::quantiles::Quantiles;
use crate::text::Sheet;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// A trace with its name in the file: a column, a machine, a worker.
pub type Named<T> = (String, T);

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Amounts over time: shares, loads, rates, prices. A sample holds until the next; the last as long as the one before.
    Traces(Vec<Named<Trace>>),
    /// Instants: arrivals with their sizes, machines that come and go, outages.
    Events(Events),
    /// Measured amounts: profiles, curves.
    Measurements(Measurements),
    /// Distributions.
    Quantiles(Vec<Named<Quantiles>>),
}

impl Content {
    /// What it is, in a word.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Traces(_) => "traces",
            Self::Events(_) => "events",
            Self::Measurements(_) => "measurements",
            Self::Quantiles(_) => "quantiles",
        }
    }

    /// The trace with this name; without a name the only one.
    ///
    /// # Errors
    /// When this holds no traces, there is no such trace, or none is named and there are several; the error lists them.
    pub fn into_trace(self, name: Option<&str>) -> Result<Trace, Error> {
        match self {
            Self::Traces(traces) => chosen(traces, "series", name),
            other => Err(other.not("traces")),
        }
    }

    /// The events.
    ///
    /// # Errors
    /// When this holds something else.
    pub fn into_events(self) -> Result<Events, Error> {
        match self {
            Self::Events(events) => Ok(events),
            other => Err(other.not("events")),
        }
    }

    /// The table.
    ///
    /// # Errors
    /// When this holds something else.
    pub fn into_measurements(self) -> Result<Measurements, Error> {
        match self {
            Self::Measurements(table) => Ok(table),
            other => Err(other.not("measurements")),
        }
    }

    /// The distribution with this name; without a name the only one.
    ///
    /// # Errors
    /// When this holds no distributions, there is no such one, or none is named and there are several; the error lists them.
    pub fn into_quantiles(self, name: Option<&str>) -> Result<Quantiles, Error> {
        match self {
            Self::Quantiles(all) => chosen(all, "distribution", name),
            other => Err(other.not("quantiles")),
        }
    }

    fn not(&self, expected: &str) -> Error {
        Error::field("content", format!("{expected}, found {}", self.what()))
    }
}

fn chosen<T>(mut all: Vec<Named<T>>, what: &str, name: Option<&str>) -> Result<T, Error> {
    let index = match name {
        Some(name) => all.iter().position(|(other, _)| other == name),
        None => (all.len() == 1).then_some(0),
    };
    match index {
        Some(index) => Ok(all.swap_remove(index).1),
        None => Err(no_such(what, name, all.iter().map(|(name, _)| name.as_str()))),
    }
}

/// How times that repeat or go back are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// Refused, but in formats where their meaning is clear.
    #[default]
    Strict,
    /// Samples are sorted by time; of equal times the last in the file counts.
    Sort,
}

/// How holes in regular samples are taken. A hole is a step of more than [`HOLE`] times the usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// The file is refused.
    #[default]
    Refuse,
    /// The value before the hole holds until its end.
    Hold,
    /// The hole is cut out: the next sample follows after the usual step.
    Close,
}

/// A longer step than this many usual ones is a hole.
pub const HOLE: i64 = 10;

/// How a file is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Name of the format; found out from the file if not given.
    pub format: Option<String>,
    /// The one trace that is wanted; all if not given.
    pub series: Option<String>,
    /// How times that repeat or go back are taken.
    pub times: Times,
    /// How holes are taken.
    pub gaps: Gaps,
    /// Sizes above which a file is refused.
    pub limits: Limits,
}

/// A file in memory, uncompressed.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name without folders.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// The first line, without byte-order mark and line end; empty for what is no text.
    pub fn first_line(&self) -> &'a str {
        let start = &self.bytes[..self.bytes.len().min(1 << 16)];
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = std::str::from_utf8(line).unwrap_or("");
        line.strip_prefix('\u{feff}').unwrap_or(line).trim_end_matches('\r')
    }

    /// Whether the first line has exactly these columns.
    pub fn has_header(&self, names: &[&str]) -> bool {
        self.first_line().split(',').map(str::trim).eq(names.iter().copied())
    }

    /// Whether this is a Parquet file.
    pub fn is_parquet(&self) -> bool {
        self.bytes.starts_with(b"PAR1")
    }

    /// Whether this is a Parquet file with exactly these columns.
    #[cfg(feature = "full")]
    pub fn has_columns(&self, names: &[&str]) -> bool {
        self.is_parquet()
            && self.columns(Limits::default()).is_ok_and(|columns| columns.names().eq(names.iter().copied()))
    }

    /// The file as a table of comma-separated columns.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn sheet(&self, limits: Limits) -> Result<Sheet<'a>, Error> {
        Sheet::new(self.bytes, b',', limits)
    }

    /// The file as a table whose columns `separator` separates.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn sheet_of(&self, separator: u8, limits: Limits) -> Result<Sheet<'a>, Error> {
        Sheet::new(self.bytes, separator, limits)
    }

    /// The file as Parquet.
    ///
    /// # Errors
    /// When it is not Parquet, or larger than the limits.
    #[cfg(feature = "full")]
    pub fn columns(&self, limits: Limits) -> Result<Columns, Error> {
        Columns::open(self.bytes, limits)
    }
}

/// A file format for traces.
pub trait TraceFormat: Sync {
    /// Short name, as in scenarios.
    fn name(&self) -> &'static str;

    /// What it is, in a line.
    fn about(&self) -> &'static str;

    /// Whether a file is certainly of this format, by its beginning or its name.
    fn knows(&self, _source: &Source<'_>) -> bool {
        false
    }

    /// What a file holds.
    ///
    /// # Errors
    /// At the first place that is not as the format wants it, naming line and column.
    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error>;
}

/// A named function of the right shape is a format.
impl<F> TraceFormat for (&'static str, F)
where
    F: Fn(&Source<'_>, &ReadOptions) -> Result<Noted<Content>, Error> + Sync,
{
    fn name(&self) -> &'static str {
        self.0
    }
    fn about(&self) -> &'static str {
        "an app's own"
    }
    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        self.1(source, options)
    }
}
