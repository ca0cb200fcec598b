//! Noise of long-lived virtual machines (Freischuetz et al., "TUNA", EuroSys 2025), the partitions of one benchmark merged into one file.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `region,sku,vm_id,start_unix_s,runtime_s,value`: the speed that a benchmark reached, about every two hours. There is
/// one trace for each machine, named `REGION/SKU/VM`; its unit follows from the name of the file.
#[derive(Clone, Copy, Debug)]
pub struct AzureVm;

const HEADER: [&str; 6] = ["region", "sku", "vm_id", "start_unix_s", "runtime_s", "value"];

impl TraceFormat for AzureVm {
    fn name(&self) -> &'static str {
        "azure_vm"
    }

    fn about(&self) -> &'static str {
        "Azure VM noise (TUNA): speeds of benchmarks on 12 machines (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let unit = if source.name.starts_with("mlc") { Unit::MebibytesPerSecond } else { Unit::PerSecond };
        let mut samples = Samples::new(options, Order::Regular, Where::Text(4));
        while let Some(row) = sheet.next_row()? {
            let machine = format!("{}/{}/{}", row.text(0)?, row.text(1)?, row.text(2)?);
            let time = row.time(3, stamps::seconds, "a number of seconds since 1970")?;
            row.amount(4)?;
            samples.push(&machine, unit, (time, row.amount(5)?), row.line())?;
        }
        samples.finish(sheet.into_notes())
    }
}
