//! Step times of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::error::Error;
use crate::format::{Content, Noted, ReadOptions, Source, TraceFormat};
use crate::records::{self, Field, Kind};
use crate::unit::Unit;

/// CSV with the header `num_nodes,num_replicas,local_bsz,step_time,sync_time`.
#[derive(Clone, Copy, Debug)]
pub struct PolluxScalability;

const HEADER: [&str; 5] = ["num_nodes", "num_replicas", "local_bsz", "step_time", "sync_time"];

impl TraceFormat for PolluxScalability {
    fn name(&self) -> &'static str {
        "pollux_scalability"
    }

    fn about(&self) -> &'static str {
        "Pollux: step times by nodes, replicas and batch (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let kinds = [
            (Unit::Count, Kind::Count),
            (Unit::Count, Kind::Count),
            (Unit::Count, Kind::Count),
            (Unit::Seconds, Kind::Amount),
            (Unit::Seconds, Kind::Amount),
        ];
        let fields = HEADER.iter().zip(kinds).map(|(name, (unit, kind))| Field::new(*name, unit, kind)).collect();
        records::table(source.sheet(options.limits)?, fields, options.limits)
    }
}
