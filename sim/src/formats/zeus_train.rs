//! Power and time of training on GPUs (You et al., "Zeus", NSDI 2023; <https://github.com/ml-energy/zeus>).
use crate::records::{Kind, TableFormat};
use crate::unit::Unit;

/// CSV with the header `dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch`. An epoch `nan` says that the target was never reached.
pub const ZEUS_TRAIN: TableFormat = TableFormat {
    name: "zeus_train",
    about: "Zeus: epochs to reach each quality, by batch and seed (CSV)",
    columns: &[
        ("dataset", Unit::Number, Kind::Text),
        ("network", Unit::Number, Kind::Text),
        ("batch_size", Unit::Count, Kind::Count),
        ("optimizer", Unit::Number, Kind::Text),
        ("learning_rate", Unit::Number, Kind::Amount),
        ("run", Unit::Count, Kind::Count),
        ("target_metric", Unit::Number, Kind::Amount),
        ("target_epoch", Unit::Count, Kind::AmountOrNever),
    ],
};
