//! What can be wrong with input.
use std::fmt;

/// Something in the input is not as it must be: which field, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    field: String,
    expected: String,
}

impl Error {
    /// An error about `field`, where `expected` should have been.
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), expected: expected.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.field, self.expected)
    }
}

impl std::error::Error for Error {}
