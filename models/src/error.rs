//! What can be wrong with a data set: which file, which field, and what was expected there.
use std::fmt;

/// The result of anything that reads or checks data.
pub type Result<T> = std::result::Result<T, Error>;

/// In which way the data is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is nothing at this path.
    Missing,
    /// The file is there, but its bytes cannot be read or unpacked.
    Unreadable,
    /// The file ends too early, or goes on after its end.
    Length,
    /// The file is of another format.
    Magic,
    /// A value lies outside its range.
    Range,
    /// Two counts that must be equal differ.
    Count,
    /// A name that nothing answers to.
    Unknown,
}

/// Something in the data is not as it must be.
///
/// Its text is always one line: `place: field: expected this, found that`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Report>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    kind: ErrorKind,
    place: String,
    field: String,
    expected: String,
    found: String,
}

impl Error {
    /// An error about `field` of the file or value named `place`.
    pub(crate) fn new(
        kind: ErrorKind,
        place: impl fmt::Display,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self(Box::new(Report {
            kind,
            place: one_line(place),
            field: one_line(field),
            expected: one_line(expected),
            found: one_line(found),
        }))
    }

    /// In which way the data is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or value in which it was found.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// The part of it that is wrong.
    pub fn field(&self) -> &str {
        &self.0.field
    }
}

fn one_line(text: impl fmt::Display) -> String {
    text.to_string().replace(char::is_control, "?")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { place, field, expected, found, .. } = &*self.0;
        write!(f, "{place}: {field}: expected {expected}, found {found}")
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line() {
        let error = Error::new(ErrorKind::Magic, "dir/a\nb", "magic number", "[0, 0, 8, 3]", "\r\n");
        assert_eq!(error.to_string(), "dir/a?b: magic number: expected [0, 0, 8, 3], found ??");
        assert_eq!((error.kind(), error.place(), error.field()), (ErrorKind::Magic, "dir/a?b", "magic number"));
    }
}
