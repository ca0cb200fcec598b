//! What can be wrong with a graph.
use std::fmt::{self, Write};

/// Something is wrong with a graph or what was asked of it: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    place: String,
    what: String,
}

impl Error {
    /// An error at `place` (a node, an operator, a file's field).
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    /// The same error, seen from further out.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self { place: format!("{place}: {}", self.place), what: self.what }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", OneLine(&self.place), OneLine(&self.what))
    }
}

/// Text that may come from a file, on one line: control characters are shown as they are written in source.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

impl std::error::Error for Error {}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
