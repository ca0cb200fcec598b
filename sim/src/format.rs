//! The contract of a file format for traces, and what formats with comma-separated columns share.
use crate::error::Error;
use csv::{Position, ReaderBuilder, StringRecord};

/// A file format for traces.
pub trait TraceFormat {
    /// Short name, as in scenarios.
    fn name(&self) -> &'static str;

    /// The samples of a file: seconds since the first sample, ascending strictly, and the raw value, finite and not negative.
    ///
    /// # Errors
    /// At the first place that is not as the format wants it, naming line and column.
    fn read(&self, text: &str) -> Result<Vec<(f64, f64)>, Error>;
}

/// A named function of the right shape is a format.
impl<F: Fn(&str) -> Result<Vec<(f64, f64)>, Error>> TraceFormat for (&'static str, F) {
    fn name(&self) -> &'static str {
        self.0
    }
    fn read(&self, text: &str) -> Result<Vec<(f64, f64)>, Error> {
        self.1(text)
    }
}

/// What is wrong in a line: the column, from 1, and what was expected.
type Wrong = (usize, String);

/// Two comma-separated columns under a header line: times and numbers.
pub struct Columns<F> {
    /// Names of the two columns.
    pub header: [&'static str; 2],
    /// How errors describe a time.
    pub time: &'static str,
    /// Understands a time, in seconds from any origin.
    pub seconds: F,
}

impl<F: Fn(&str) -> Option<f64>> Columns<F> {
    /// Reads a file, with times relative to the first. Accepts a byte-order mark and either line end.
    ///
    /// # Errors
    /// On another header, a missing or surplus field, a time that `seconds` does not know or that does not come after the one
    /// before, and a value that is not a finite number from zero up.
    pub fn read(&self, text: &str) -> Result<Vec<(f64, f64)>, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let at =
            |position: Option<&Position>, (column, message)| Error::text(line(text, position), column as u64, message);
        let broken = |error: csv::Error| at(error.position(), (1, error.to_string()));
        self.check_header(reader.headers().map_err(broken)?)
            .map_err(|wrong| Error::text(1, wrong.0 as u64, wrong.1))?;
        let mut samples: Vec<(f64, f64)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let after = samples.last().map_or(f64::NEG_INFINITY, |sample| sample.0);
            samples.push(self.sample(&record, after).map_err(|wrong| at(record.position(), wrong))?);
        }
        let first = samples.first().ok_or_else(|| Error::text(2, 1, "expected at least one sample, found none"))?.0;
        Ok(samples.into_iter().map(|(when, value)| (when - first, value)).collect())
    }

    fn check_header(&self, found: &StringRecord) -> Result<(), Wrong> {
        match self.header.iter().enumerate().find(|&(i, name)| found.get(i) != Some(name)) {
            Some((i, name)) => {
                Err((i + 1, format!("expected the column `{name}`, found `{}`", found.get(i).unwrap_or(""))))
            }
            None => Ok(()),
        }
    }

    fn sample(&self, record: &StringRecord, after: f64) -> Result<(f64, f64), Wrong> {
        if record.len() > 2 {
            return Err((3, format!("expected 2 columns, found {}", record.len())));
        }
        let when = (self.seconds)(&record[0]).filter(|s| s.is_finite() && *s > after);
        let time = || self.wrong(0, &record[0], &format!("{}, later than on the line before", self.time));
        let when = when.ok_or_else(time)?;
        let value = record.get(1).ok_or_else(|| self.wrong(1, "", "a value (the line is cut short)"))?;
        let number = value.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
        number.map(|number| (when, number)).ok_or_else(|| self.wrong(1, value, "a finite number, not below 0"))
    }

    fn wrong(&self, field: usize, found: &str, expected: &str) -> Wrong {
        (field + 1, format!("`{}` is `{found}`, expected {expected}", self.header[field]))
    }
}

/// The line, from 1, of the first character at or after a position that ends no line.
fn line(text: &str, position: Option<&Position>) -> u64 {
    let start = position.map_or(0, |position| position.byte() as usize).min(text.len());
    let ends = text.as_bytes()[start..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
    text.as_bytes()[..start + ends].iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}
