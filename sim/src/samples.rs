//! From samples to traces: what is common to all formats whose values hold until the next.
use crate::error::Error;
use crate::format::{Content, Gaps, HOLE, ReadOptions, Times};
use crate::limits::Limits;
use crate::measurements::no_such;
use crate::note::{Note, Noted};
use crate::trace::{End, Trace};
use crate::unit::Unit;
use std::collections::BTreeMap;
use supple_strategy::Nanos;

/// What a format promises of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One sample after the other at about equal distances: repeated times, times that go back and holes need a decision of the user.
    Regular,
    /// One after the other, at any distance.
    Irregular,
    /// In any order, at any distance; of equal times the last counts. For formats that are lists of changes.
    Changes,
}

/// A sample: nanoseconds from any origin, value, and the line of a text or the row of a Parquet file, from 1.
type Sample = (i64, f64, u64);

/// Collects the samples of a file, trace by trace.
pub struct Samples<'a> {
    options: &'a ReadOptions,
    order: Order,
    column: Where,
    names: BTreeMap<String, Option<usize>>,
    found: Vec<Found>,
    count: usize,
    notes: Vec<Note>,
}

/// A trace in the making.
struct Found {
    name: String,
    unit: Unit,
    samples: Vec<Sample>,
    ends: Option<i64>,
}

/// Where the times stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In this column of a text, from 1.
    Text(u64),
    /// In this column of a Parquet file.
    Parquet(&'static str),
}

impl Where {
    pub(crate) fn error(self, line: u64, message: String) -> Error {
        match self {
            Self::Text(column) => Error::text(line, column, message),
            Self::Parquet(column) => Error::cell(line, column, message),
        }
    }
}

impl<'a> Samples<'a> {
    /// No samples yet.
    pub fn new(options: &'a ReadOptions, order: Order, column: Where) -> Self {
        let (names, found, notes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { options, order, column, names, found, count: 0, notes }
    }

    /// Adds a sample to the trace with this name; its unit is that of its first sample.
    ///
    /// # Errors
    /// When there are more samples or traces than the limits allow.
    pub fn push(&mut self, name: &str, unit: Unit, sample: (i64, f64), line: u64) -> Result<(), Error> {
        let Limits { cells, columns, .. } = self.options.limits;
        self.count += 1;
        if self.count > cells || self.names.len() > columns {
            let message = format!("expected at most {cells} samples in {columns} traces");
            return Err(self.column.error(line, message));
        }
        if let Some(index) = self.index(name, unit) {
            self.found[index].samples.push((sample.0, sample.1, line));
        }
        Ok(())
    }

    /// Says when the last sample of a trace ends; unless said, it lasts as long as the one before.
    pub fn ends(&mut self, name: &str, time: i64) {
        if let Some(found) = self.names.get(name).copied().flatten() {
            self.found[found].ends = Some(time);
        }
    }

    fn index(&mut self, name: &str, unit: Unit) -> Option<usize> {
        if let Some(last) = self.found.len().checked_sub(1).filter(|last| self.found[*last].name == name) {
            return Some(last);
        }
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let wanted = self.options.series.as_deref().is_none_or(|series| series == name);
        let index = wanted.then_some(self.found.len());
        if wanted {
            self.found.push(Found { name: name.to_string(), unit, samples: Vec::new(), ends: None });
        }
        self.names.insert(name.to_string(), index);
        index
    }

    /// The traces; each is relative to its own first sample.
    ///
    /// # Errors
    /// When there are none, or none as wanted; at the first time that repeats, goes back or follows on a hole, unless the format or
    /// the options say what it means.
    pub fn finish(mut self, mut notes: Vec<Note>) -> Result<Noted<Content>, Error> {
        if self.found.is_empty() {
            return Err(match (&self.options.series, self.names.is_empty()) {
                (Some(series), false) => no_such("series", Some(series), self.names.keys().map(String::as_str)),
                _ => self.column.error(2, "expected at least one sample, found none".to_string()),
            });
        }
        let found = std::mem::take(&mut self.found);
        let several = found.len() > 1;
        let mut traces = Vec::with_capacity(found.len());
        for Found { name, unit, samples, ends } in found {
            let before = self.notes.len();
            let trace = self.trace(unit, samples, ends);
            let trace = trace.map_err(|error| if several { error.of_trace(&name) } else { error })?;
            if several {
                self.notes[before..].iter_mut().for_each(|note| note.text = format!("{name}: {}", note.text));
            }
            traces.push((name, trace));
        }
        notes.append(&mut self.notes);
        Ok(Noted { value: Content::Traces(traces), notes: few(notes) })
    }

    fn trace(&mut self, unit: Unit, samples: Vec<Sample>, ends: Option<i64>) -> Result<Trace, Error> {
        let mut samples = self.ordered(samples)?;
        let step = usual_step(&samples);
        if self.order == Order::Regular {
            self.holes(&mut samples, step)?;
        }
        let (first, last) = (samples[0].0, samples[samples.len() - 1].0);
        let nanos = |time: i64| Nanos(time.abs_diff(first));
        let points = samples.iter().map(|&(time, value, _)| (nanos(time), value)).collect();
        let lasts = samples.len().checked_sub(2).map_or(1_000_000_000, |before| last.abs_diff(samples[before].0));
        let length = ends.map_or(nanos(last) + Nanos(lasts), nanos);
        if length < nanos(last) {
            let found = format!("the sample begins {} s after the end of the trace", (nanos(last) - length).seconds());
            return Err(self.column.error(samples[samples.len() - 1].2, found));
        }
        if length > Trace::LATEST {
            let found = format!("the trace lasts {} s, expected at most {}", length.seconds(), Trace::LATEST.seconds());
            return Err(self.column.error(samples[samples.len() - 1].2, found));
        }
        Trace::of(unit, points, length, End::Hold)
    }

    fn ordered(&mut self, mut samples: Vec<Sample>) -> Result<Vec<Sample>, Error> {
        let Some(first) = samples.windows(2).position(|pair| pair[0].0 >= pair[1].0) else { return Ok(samples) };
        let (before, at) = (samples[first], samples[first + 1]);
        let backwards = samples.windows(2).filter(|pair| pair[0].0 > pair[1].0).count();
        if self.order != Order::Changes && self.options.times == Times::Strict {
            let what = if at.0 < before.0 { "goes back" } else { "stays" };
            let expected = "a time after the one before (or times = \"sort\": sorted, the last of equal ones counts)";
            let by = (before.0 - at.0) as f64 / 1e9;
            return Err(self.column.error(at.2, format!("the time {what} (by {by} s), expected {expected}")));
        }
        let count = samples.len();
        samples.sort_by_key(|sample| sample.0);
        let mut kept: Vec<Sample> = Vec::with_capacity(count);
        for sample in samples {
            match kept.last_mut() {
                Some(last) if last.0 == sample.0 => *last = sample,
                _ => kept.push(sample),
            }
        }
        if backwards > 0 {
            self.notes.push(Note::at(at.2, format!("times go back {backwards} times; the samples were sorted")));
        }
        if kept.len() < count {
            let repeats = count - kept.len();
            self.notes.push(Note::at(at.2, format!("{repeats} times repeat; of equal times the last sample counts")));
        }
        Ok(kept)
    }

    /// Refuses, notes or closes steps that are much longer than the usual one.
    fn holes(&mut self, samples: &mut [Sample], step: i64) -> Result<(), Error> {
        let long = |pair: &[Sample]| pair[1].0 - pair[0].0 > step;
        let worst = samples.windows(2).max_by_key(|pair| pair[1].0 - pair[0].0).filter(|pair| long(pair));
        let Some(&[before, after]) = worst else { return Ok(()) };
        let (longest, seconds) = (after.0 - before.0, |nanos: i64| nanos as f64 / 1e9);
        let is_hole = |pair: &[Sample]| pair[1].0 - pair[0].0 > step.saturating_mul(HOLE);
        let (count, usual) = (samples.windows(2).filter(|pair| long(pair)).count(), seconds(step));
        let longest = format!("{count} steps are longer than the usual {usual} s, the longest {} s", seconds(longest));
        match (samples.windows(2).find(|pair| is_hole(pair)), self.options.gaps) {
            (Some(pair), Gaps::Refuse) => {
                let message = format!(
                    "the time is {} s after the one before, expected at most {HOLE} usual steps of {usual} s (or gaps = \
                     \"hold\": the value before holds, or \"close\": the hole is cut out)",
                    seconds(pair[1].0 - pair[0].0)
                );
                return Err(self.column.error(pair[1].2, message));
            }
            (Some(_), Gaps::Close) => {
                self.notes.push(Note::at(after.2, format!("{longest}; holes were cut out")));
                closed(samples, step);
            }
            (hole, _) if hole.is_some() || count <= samples.len() / 10 => {
                self.notes.push(Note::at(after.2, format!("{longest}; the value before holds meanwhile")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Cuts out holes: what follows one comes earlier.
fn closed(samples: &mut [Sample], step: i64) {
    let (mut cut, mut before) = (0, samples[0].0);
    for sample in samples {
        let gap = sample.0 - before;
        before = sample.0;
        if gap > step.saturating_mul(HOLE) {
            cut += gap - step;
        }
        sample.0 -= cut;
    }
}

/// The median step; one second for a single sample.
fn usual_step(samples: &[Sample]) -> i64 {
    let mut steps: Vec<i64> = samples.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() { 1_000_000_000 } else { *steps.select_nth_unstable(middle).1 }
}

/// The first notes, and how many more there were.
fn few(mut notes: Vec<Note>) -> Vec<Note> {
    let more = notes.len().saturating_sub(20);
    notes.truncate(20);
    if more > 0 {
        notes.push(Note::new(format!("{more} more notes of this kind")));
    }
    notes
}
