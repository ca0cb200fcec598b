//! Power and time of training on GPUs (You et al., "Zeus", NSDI 2023; <https://github.com/ml-energy/zeus>).
use crate::error::Error;
use crate::format::{Content, Noted, ReadOptions, Source, TraceFormat};
use crate::records::{self, Field, Kind};
use crate::unit::Unit;

/// CSV with the header `dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch`. An epoch `nan` says that the target was never reached.
#[derive(Clone, Copy, Debug)]
pub struct ZeusTrain;

const HEADER: [&str; 8] = ["dataset", "network", "batch_size", "optimizer", "learning_rate", "run", "target_metric", "target_epoch"];

impl TraceFormat for ZeusTrain {
    fn name(&self) -> &'static str {
        "zeus_train"
    }

    fn about(&self) -> &'static str {
        "Zeus: epochs to reach each quality, by batch and seed (CSV)"
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
            (Unit::Number, Kind::Amount),
            (Unit::Count, Kind::Count),
            (Unit::Number, Kind::Amount),
            (Unit::Count, Kind::AmountOrNever),
        ];
        let fields = HEADER.iter().zip(kinds).map(|(name, (unit, kind))| Field::new(*name, unit, kind)).collect();
        records::table(source.sheet(options.limits)?, fields, options.limits)
    }
}
