//! The file formats for traces, one file each.
use crate::error::Error;
use crate::format::TraceFormat;

mod nab;
mod native;
pub use nab::Nab;
pub use native::Native;

/// One of each.
pub const ALL: &[&dyn TraceFormat] = &[&Native, &Nab];

/// The format that a scenario names so.
///
/// # Errors
/// When there is none; the error lists those there are.
pub fn by_name(name: &str) -> Result<&'static dyn TraceFormat, Error> {
    ALL.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|format| format.name()).collect();
        Error::field(format!("trace.format = {name:?}"), format!("one of {}", names.join(", ")))
    })
}
