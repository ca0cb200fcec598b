//! Validation curves of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::error::Error;
use crate::format::{Content, Noted, ReadOptions, Source, TraceFormat};
use crate::records::{self, Field, Kind};
use crate::unit::Unit;

/// CSV with the header `progress,iteration,metric,grad_sqr,grad_var`. The batch size stands in the name of the file.
#[derive(Clone, Copy, Debug)]
pub struct PolluxValidation;

const HEADER: [&str; 5] = ["progress", "iteration", "metric", "grad_sqr", "grad_var"];

impl TraceFormat for PolluxValidation {
    fn name(&self) -> &'static str {
        "pollux_validation"
    }

    fn about(&self) -> &'static str {
        "Pollux: quality and gradient noise by progress (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let kinds = [
            (Unit::Number, Kind::Amount),
            (Unit::Count, Kind::Count),
            (Unit::Number, Kind::Amount),
            (Unit::Number, Kind::Amount),
            (Unit::Number, Kind::Amount),
        ];
        let fields = HEADER.iter().zip(kinds).map(|(name, (unit, kind))| Field::new(*name, unit, kind)).collect();
        records::table(source.sheet(options.limits)?, fields, options.limits)
    }
}
