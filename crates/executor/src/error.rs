//! What can go wrong when a graph runs.
use std::fmt;
use std::path::Path;

/// Why something could not be run, read or written; one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error at `place`.
    pub fn new(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self(format!("{place}: {what}"))
    }

    /// An error about a file.
    pub fn file(path: &Path, what: impl fmt::Display) -> Self {
        Self::new(path.display(), what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<supple_graph::Error> for Error {
    fn from(error: supple_graph::Error) -> Self {
        Self(error.to_string())
    }
}

/// Result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
