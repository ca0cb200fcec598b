//! What can go wrong.
use crate::place;
use std::fmt;
use std::path::Path;

/// Something went wrong: one line that names the file, the line or field, and what was expected.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Option<String>,
    /// Line and column of a field, from 1, where the text that it is from was at hand.
    place: Option<(u64, u64)>,
    kind: ErrorKind,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A field does not hold what it must.
    Field {
        /// The field, and where it helps its value.
        field: String,
        /// What was expected instead.
        expected: String,
    },
    /// An entry of a table is not as another crate wants it.
    Entry {
        /// The table.
        table: String,
        /// The entry, and what was expected.
        cause: supple_strategy::Error,
    },
    /// A place in a text is not as it must be.
    Text {
        /// Line, from 1.
        line: u64,
        /// Column, from 1: of characters in TOML, of fields in CSV.
        column: u64,
        /// What was found, and what was expected.
        message: String,
    },
    /// A cell of a Parquet file is not as it must be.
    Cell {
        /// Row, from 1.
        row: u64,
        /// Name of the column.
        column: String,
        /// What was found, and what was expected.
        message: String,
    },
    /// A file could not be read or written.
    File(std::io::Error),
    /// A plot could not be drawn.
    Plot(String),
}

impl Error {
    /// An error about `field`, where `expected` should have been.
    pub fn field(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::of(ErrorKind::Field { field: field.into(), expected: expected.into() })
    }

    /// An error about an entry of `table`.
    pub fn entry(table: impl Into<String>, cause: supple_strategy::Error) -> Self {
        Self::of(ErrorKind::Entry { table: table.into(), cause })
    }

    /// An error at a place of a text; lines and columns count from 1.
    pub fn text(line: u64, column: u64, message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Text { line, column, message: message.into() })
    }

    /// An error at a cell of a Parquet file; rows count from 1.
    pub fn cell(row: u64, column: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Cell { row, column: column.into(), message: message.into() })
    }

    /// An error about a file as a whole.
    pub fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::of(ErrorKind::File(cause)).within(path.display())
    }

    /// An error while drawing.
    pub fn plot(cause: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Plot(cause.to_string()))
    }

    /// The same error, said of the file (or other source) `origin`, unless it names one already.
    #[must_use]
    pub fn within(mut self, origin: impl fmt::Display) -> Self {
        self.0.origin.get_or_insert_with(|| origin.to_string());
        self
    }

    /// The same error with the line and column of its field in the TOML `text`; of the nearest table around it where the field is missing.
    #[must_use]
    pub(crate) fn placed(mut self, text: &str) -> Self {
        self.0.place = match &self.0.kind {
            ErrorKind::Field { field, .. } => place::of_field(text, field),
            ErrorKind::Entry { table, cause } => place::of_field(text, &format!("{table}.{cause}")),
            _ => None,
        };
        self
    }

    /// The same error, whose field stands in the table `place`.
    #[must_use]
    pub(crate) fn below(mut self, place: &str) -> Self {
        if let ErrorKind::Field { field, .. } = &mut self.0.kind {
            *field = format!("{place}.{field}");
        }
        self
    }

    /// The same error, whose field stands at `to` where it says `from`.
    #[must_use]
    pub(crate) fn moved(mut self, from: &str, to: &str) -> Self {
        if let ErrorKind::Field { field, .. } = &mut self.0.kind
            && let Some(rest) = field.strip_prefix(from)
        {
            *field = format!("{to}{rest}");
        }
        self
    }

    /// The same error, said of one of several traces of a file.
    pub(crate) fn of_trace(mut self, name: &str) -> Self {
        if let ErrorKind::Text { message, .. } | ErrorKind::Cell { message, .. } = &mut self.0.kind {
            *message = format!("{name}: {message}");
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    fn of(kind: ErrorKind) -> Self {
        Self(Box::new(Inner { origin: None, place: None, kind }))
    }
}

/// Texts of files stand in errors too: what would end the line stands escaped.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.origin.as_ref().map_or(String::new(), |origin| format!("{origin}: "));
        let place = self.0.place.map_or(String::new(), |(line, column)| format!("line {line}, column {column}: "));
        one_line(f, &format!("{origin}{place}{}", self.0.kind))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { field, expected } => write!(f, "{field}: expected {expected}"),
            Self::Entry { table, cause } => write!(f, "{table}.{cause}"),
            Self::Text { line, column, message } => write!(f, "line {line}, column {column}: {message}"),
            Self::Cell { row, column, message } => write!(f, "row {row}, column `{column}`: {message}"),
            Self::File(cause) => write!(f, "{cause}"),
            Self::Plot(cause) => write!(f, "cannot draw: {cause}"),
        }
    }
}

/// Writes a text with its control characters escaped.
pub(crate) fn one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).try_for_each(|shown| f.write_str(&shown))
}

/// The text says all, so that there is no source to be told of again.
impl std::error::Error for Error {}
