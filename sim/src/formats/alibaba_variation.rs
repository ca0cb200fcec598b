//! How much the workers of a job differ (Weng et al., "MLaaS in the Wild", NSDI 2022; Alibaba's cluster-trace-gpu-v2020).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::samples::{Order, Samples, Where};
use crate::unit::Unit;

/// CSV with the header `,0,1,2,...`: for each job, a line with its name and the coefficient of variation of its workers' times in each iteration; empty
/// after its last. There is one trace for each job; iterations are read as seconds.
#[derive(Clone, Copy, Debug)]
pub struct AlibabaVariation;

impl TraceFormat for AlibabaVariation {
    fn name(&self) -> &'static str {
        "alibaba_variation"
    }

    fn about(&self) -> &'static str {
        "Alibaba PAI: variation between workers, iteration by iteration (CSV, one job a line)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.first_line().starts_with(",0,1,2,")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        let header = sheet.header()?;
        let expected = |i: usize| if i == 0 { String::new() } else { (i - 1).to_string() };
        if let Some(i) = (0..header.len().max(2)).find(|&i| header.get(i) != Some(&expected(i))) {
            return Err(Error::text(1, i as u64 + 1, format!("expected the column `{}`", expected(i))));
        }
        let mut samples = Samples::new(options, Order::Irregular, Where::Text(1));
        while let Some(row) = sheet.next_row()? {
            let job = row.text(0)?;
            let ended = (1..row.len()).find(|&i| row.text(i).is_ok_and(str::is_empty)).unwrap_or(row.len());
            if let Some(i) = (ended..row.len()).find(|&i| row.text(i).is_ok_and(|text| !text.is_empty())) {
                return Err(row.wrong(i, "nothing after an empty cell"));
            }
            for i in 1..ended {
                let time = (i as i64 - 1) * 1_000_000_000;
                samples.push(job, Unit::Number, (time, row.amount(i)?), row.line())?;
            }
        }
        sheet.note(Note::at(1, "columns are numbers of iterations, read as seconds"));
        samples.finish(sheet.into_notes())
    }
}
