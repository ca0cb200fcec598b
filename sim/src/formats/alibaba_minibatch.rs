//! Times of mini-batches on shared GPUs (Weng et al., "MLaaS in the Wild", NSDI 2022; Alibaba's cluster-trace-gpu-v2020).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `,worker,gpu,time,batch_time_norm`: how long an iteration took, relative to the job's slowest as 1000. There is one trace for
/// each worker. Times are numbers of iterations and are read as seconds; `seconds_per_sample` of a scenario says how long one is.
#[derive(Clone, Copy, Debug)]
pub struct AlibabaMinibatch;

const HEADER: [&str; 5] = ["", "worker", "gpu", "time", "batch_time_norm"];

impl TraceFormat for AlibabaMinibatch {
    fn name(&self) -> &'static str {
        "alibaba_minibatch"
    }

    fn about(&self) -> &'static str {
        "Alibaba PAI: times of mini-batches, worker by worker (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let mut samples = Samples::new(options, Order::Regular, Where::Text(4));
        while let Some(row) = sheet.next_row()? {
            let time = row.time(3, stamps::seconds, "the number of an iteration")?;
            row.count(0)?;
            row.amount(2)?;
            samples.push(row.text(1)?, Unit::Number, (time, row.amount(4)?), row.line())?;
        }
        sheet.note(Note::at(1, "times are numbers of iterations, read as seconds"));
        samples.finish(sheet.into_notes())
    }
}
