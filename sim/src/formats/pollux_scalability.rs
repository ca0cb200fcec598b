//! Step times of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::records::{Kind, TableFormat};
use crate::unit::Unit;

/// CSV with the header `num_nodes,num_replicas,local_bsz,step_time,sync_time`.
pub const POLLUX_SCALABILITY: TableFormat = TableFormat {
    name: "pollux_scalability",
    about: "Pollux: step times by nodes, replicas and batch (CSV)",
    columns: &[
        ("num_nodes", Unit::Count, Kind::Count),
        ("num_replicas", Unit::Count, Kind::Count),
        ("local_bsz", Unit::Count, Kind::Count),
        ("step_time", Unit::Seconds, Kind::Amount),
        ("sync_time", Unit::Seconds, Kind::Amount),
    ],
};
