//! Step times of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::error::Error;
use crate::format::{Content, Noted, ReadOptions, Source, TraceFormat};
use crate::records::{self, Field, Kind};
use crate::unit::Unit;

/// CSV with the header `placement,local_bsz,step_time,sync_time`. Each digit of a placement is the number of GPUs on one node.
#[derive(Clone, Copy, Debug)]
pub struct PolluxPlacements;

const HEADER: [&str; 4] = ["placement", "local_bsz", "step_time", "sync_time"];

impl TraceFormat for PolluxPlacements {
    fn name(&self) -> &'static str {
        "pollux_placements"
    }

    fn about(&self) -> &'static str {
        "Pollux: step times by placement and batch (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let kinds = [
            (Unit::Number, Kind::Text),
            (Unit::Count, Kind::Count),
            (Unit::Seconds, Kind::Amount),
            (Unit::Seconds, Kind::Amount),
        ];
        let fields = HEADER.iter().zip(kinds).map(|(name, (unit, kind))| Field::new(*name, unit, kind)).collect();
        records::table(source.sheet(options.limits)?, fields, options.limits)
    }
}
