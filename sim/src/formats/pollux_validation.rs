//! Validation curves of training jobs (Qiao et al., "Pollux", OSDI 2021; <https://github.com/petuum/adaptdl>).
use crate::records::{Kind, TableFormat};
use crate::unit::Unit;

/// CSV with the header `progress,iteration,metric,grad_sqr,grad_var`. The batch size stands in the name of the file.
pub const POLLUX_VALIDATION: TableFormat = TableFormat {
    name: "pollux_validation",
    about: "Pollux: quality and gradient noise by progress (CSV)",
    columns: &[
        ("progress", Unit::Number, Kind::Amount),
        ("iteration", Unit::Count, Kind::Count),
        ("metric", Unit::Number, Kind::Amount),
        ("grad_sqr", Unit::Number, Kind::Amount),
        ("grad_var", Unit::Number, Kind::Amount),
    ],
};
