//! Power and time of training on GPUs (You et al., "Zeus", NSDI 2023; <https://github.com/ml-energy/zeus>).
use crate::error::Error;
use crate::format::{Content, Noted, ReadOptions, Source, TraceFormat};
use crate::records::{self, Field, Kind};
use crate::unit::Unit;

/// CSV with the header `dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power`.
#[derive(Clone, Copy, Debug)]
pub struct ZeusPower;

const HEADER: [&str; 7] = ["dataset", "network", "batch_size", "optimizer", "power_limit", "time_per_epoch", "average_power"];

impl TraceFormat for ZeusPower {
    fn name(&self) -> &'static str {
        "zeus_power"
    }

    fn about(&self) -> &'static str {
        "Zeus: time and power of an epoch by batch and power limit (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let kinds = [
            (Unit::Number, Kind::Text),
            (Unit::Number, Kind::Text),
            (Unit::Count, Kind::Count),
            (Unit::Number, Kind::Text),
            (Unit::Watts, Kind::Amount),
            (Unit::Seconds, Kind::Amount),
            (Unit::Watts, Kind::Amount),
        ];
        let fields = HEADER.iter().zip(kinds).map(|(name, (unit, kind))| Field::new(*name, unit, kind)).collect();
        records::table(source.sheet(options.limits)?, fields, options.limits)
    }
}
