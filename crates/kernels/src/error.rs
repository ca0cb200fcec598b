//! What can be wrong with a kernel's arguments.
use std::fmt;

/// Arguments that do not fit; no memory was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kernel: &'static str,
    what: String,
}

impl Error {
    pub(crate) fn new(kernel: &'static str, what: impl Into<String>) -> Self {
        Self { kernel, what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}: {}", self.kernel, self.what)
    }
}

impl std::error::Error for Error {}
