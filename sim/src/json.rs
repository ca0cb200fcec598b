//! Values from JSON files.
use crate::error::Error;
use serde::Deserialize;
use std::path::Path;

/// The value in a file; an error names the file, and line and column of what is not as it must be.
pub(crate) fn read_json<T: for<'a> Deserialize<'a>>(file: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(file).map_err(|cause| Error::file(file, cause))?;
    let value = serde_json::from_str(&text);
    value.map_err(|error| {
        Error::text(error.line() as u64, error.column() as u64, error.to_string()).within(file.display())
    })
}
