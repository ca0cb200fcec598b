//! Power and time of training on GPUs (You et al., "Zeus", NSDI 2023; <https://github.com/ml-energy/zeus>).
use crate::records::{Kind, TableFormat};
use crate::unit::Unit;

/// CSV with the header `dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power`.
pub const ZEUS_POWER: TableFormat = TableFormat {
    name: "zeus_power",
    about: "Zeus: time and power of an epoch by batch and power limit (CSV)",
    columns: &[
        ("dataset", Unit::Number, Kind::Text),
        ("network", Unit::Number, Kind::Text),
        ("batch_size", Unit::Count, Kind::Count),
        ("optimizer", Unit::Number, Kind::Text),
        ("power_limit", Unit::Watts, Kind::Amount),
        ("time_per_epoch", Unit::Seconds, Kind::Amount),
        ("average_power", Unit::Watts, Kind::Amount),
    ],
};
