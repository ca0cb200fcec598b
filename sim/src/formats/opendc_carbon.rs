//! Carbon intensity of electricity, as OpenDC keeps it (<https://github.com/atlarge-research/opendc>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::unit::Unit;

/// Parquet with the columns `timestamp` and `carbon_intensity` (grams of carbon dioxide a kilowatt-hour).
#[derive(Clone, Copy, Debug)]
pub struct OpendcCarbon;

const NAMES: [&str; 2] = ["timestamp", "carbon_intensity"];

impl TraceFormat for OpendcCarbon {
    fn name(&self) -> &'static str {
        "opendc_carbon"
    }

    fn about(&self) -> &'static str {
        "OpenDC: carbon intensity of electricity (Parquet)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_columns(&NAMES)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let columns = source.columns(options.limits)?;
        let (times, values) = (columns.times(NAMES[0], 1_000_000)?, columns.amounts(NAMES[1])?);
        let mut samples = Samples::new(options, Order::Regular, Where::Parquet(NAMES[0]));
        for (row, sample) in times.into_iter().zip(values).enumerate() {
            samples.push(NAMES[1], Unit::CarbonIntensity, sample, row as u64 + 1)?;
        }
        samples.finish(Vec::new())
    }
}
