//! Step times of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::records::{Kind, TableFormat};
use crate::unit::Unit;

/// CSV with the header `placement,local_bsz,step_time,sync_time`. Each digit of a placement is the number of GPUs on one node.
pub const POLLUX_PLACEMENTS: TableFormat = TableFormat {
    name: "pollux_placements",
    about: "Pollux: step times by placement and batch (CSV)",
    columns: &[
        ("placement", Unit::Number, Kind::Text),
        ("local_bsz", Unit::Count, Kind::Count),
        ("step_time", Unit::Seconds, Kind::Amount),
        ("sync_time", Unit::Seconds, Kind::Amount),
    ],
};
