//! Supple's own format.
use crate::error::Error;
use crate::format::{Columns, TraceFormat};

/// CSV with the header `seconds,share`: a time in seconds, and the share from then on.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl TraceFormat for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn read(&self, text: &str) -> Result<Vec<(f64, f64)>, Error> {
        let seconds = |field: &str| field.parse().ok();
        Columns { header: ["seconds", "share"], time: "a number of seconds", seconds }.read(text)
    }
}
