//! What can be wrong with a graph.
use std::fmt;

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
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl std::error::Error for Error {}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
