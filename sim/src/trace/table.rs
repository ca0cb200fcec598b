//! The table `[trace]` of a scenario.
use crate::combinator::{Combinator, Context};
use crate::combinators::Combine;
use crate::error::Error;
use crate::format::{Content, Gaps, ReadOptions, Times};
use crate::formats;
use crate::generator::Generator;
use crate::generators::Generate;
use crate::note::{Note, Noted};
use crate::random::Stream;
use crate::random::stream;
use crate::tables::positive;
use crate::trace::{Blocks, End, Trace};
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use supple_strategy::Nanos;

mod map;
pub use map::Map;

/// What happens at the end of a trace, as scenarios name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndName {
    /// The last value holds for ever.
    #[default]
    Hold,
    /// The trace starts again.
    Loop,
    /// The run ends.
    Stop,
    /// Blocks of `block_s` seconds of the trace follow each other at random.
    Bootstrap,
}

/// Table `[trace]`: the share over time, given as one of `steps`, `file` and `generate`, changed by each of `then` in turn, and kept between `floor` and
/// `ceiling`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TraceTable {
    /// Pairs of a time in seconds and the share from then on.
    pub steps: Option<Vec<(f64, f64)>>,
    /// Path of a trace file, compressed by gzip or not.
    pub file: Option<PathBuf>,
    /// A generator.
    pub generate: Option<Generate>,
    /// Name of the file's format, see [`formats::ALL`]; found out from the file unless given.
    pub format: Option<String>,
    /// Which trace of the file: a column, a machine, a worker. Needed where the file holds several.
    pub series: Option<String>,
    /// How times in the file that repeat or go back are taken.
    #[serde(default)]
    pub times: Times,
    /// How holes between the file's samples are taken.
    #[serde(default)]
    pub gaps: Gaps,
    /// Samples of the file to leave out at its start.
    #[serde(default)]
    pub skip: usize,
    /// How long one sample of the file lasts; unless said, the file's own times hold.
    pub seconds_per_sample: Option<f64>,
    /// What values mean.
    #[serde(default)]
    pub map: Map,
    /// What values are divided by, with `map = "part"`.
    pub of: Option<f64>,
    /// Unit of steps and generated values with `map = "raw"`; for a file, the unit that it must have.
    pub unit: Option<Unit>,
    /// What is made of the trace, one after the other.
    #[serde(default)]
    pub then: Vec<Combine<TraceTable>>,
    /// Shares below are raised to this.
    #[serde(default)]
    pub floor: f64,
    /// Shares above are lowered to this.
    #[serde(default = "full")]
    pub ceiling: f64,
    /// What happens at the end of the trace.
    #[serde(default)]
    pub end: EndName,
    /// Length of the blocks of `end = "bootstrap"`, in seconds.
    pub block_s: Option<f64>,
    /// When the trace ends, in seconds, before `then`. Unless said: steps and generated traces end with the scenario, a file ends when its
    /// last sample has lasted as long as the one before.
    pub length_s: Option<f64>,
}

fn full() -> f64 {
    1.0
}

impl TraceTable {
    /// Shortest mean length of the pieces of a trace that begins again, in seconds.
    const SHORTEST: f64 = 1e-6;

    pub(crate) fn check(&self) -> Result<(), Error> {
        let given = [self.steps.is_some(), self.file.is_some(), self.generate.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(Error::field("trace", "exactly one of steps, file and generate"));
        }
        if let Some(name) = &self.format {
            formats::by_name(name).map_err(|error| error.below("trace"))?;
        }
        let numbers = [
            ("trace.seconds_per_sample", self.seconds_per_sample),
            ("trace.length_s", self.length_s),
            ("trace.block_s", self.block_s),
            ("trace.of", self.of),
        ];
        for (field, number) in numbers {
            number.map_or(Ok(()), |number| positive(field, number))?;
        }
        self.check_pairs()?;
        self.check_range()?;
        self.check_steps()?;
        self.then.iter().filter_map(other).try_for_each(Self::check)
    }

    /// Fields that make sense only together.
    fn check_pairs(&self) -> Result<(), Error> {
        if (self.map == Map::Part) != self.of.is_some() {
            return Err(Error::field("trace.of", "a number if and only if map = \"part\""));
        }
        if (self.end == EndName::Bootstrap) != self.block_s.is_some() {
            return Err(Error::field("trace.block_s", "a number if and only if end = \"bootstrap\""));
        }
        Ok(())
    }

    fn check_range(&self) -> Result<(), Error> {
        let share = |number: f64| (0.0..=1.0).contains(&number);
        match (share(self.floor), share(self.ceiling), self.floor <= self.ceiling) {
            (true, true, true) => Ok(()),
            (true, false, _) => Err(Error::field(format!("trace.ceiling = {}", self.ceiling), "a share from 0 to 1")),
            (false, ..) => Err(Error::field(format!("trace.floor = {}", self.floor), "a share from 0 to 1")),
            (true, true, false) => Err(Error::field(format!("trace.floor = {}", self.floor), "at most trace.ceiling")),
        }
    }

    fn check_steps(&self) -> Result<(), Error> {
        let Some(steps) = &self.steps else { return Ok(()) };
        let (most, what) = match self.map {
            Map::Share => (1.0, "a share from 0 to 1"),
            _ => (Trace::MOST, "a finite number, not below 0"),
        };
        let mut after = -1.0;
        for (i, &(seconds, value)) in steps.iter().enumerate() {
            if !seconds.is_finite() || seconds <= after || (i == 0 && seconds != 0.0) {
                let expected = if i == 0 { "0".to_string() } else { format!("a finite number above {after}") };
                return Err(Error::field(format!("trace.steps[{i}][0] = {seconds}"), expected));
            }
            if !(0.0..=most).contains(&value) {
                return Err(Error::field(format!("trace.steps[{i}][1] = {value}"), what));
            }
            after = seconds;
        }
        if steps.is_empty() { Err(Error::field("trace.steps", "at least one [seconds, share]")) } else { Ok(()) }
    }

    /// Whether a file is read for it.
    pub(crate) fn needs_files(&self) -> bool {
        self.file.is_some() || self.then.iter().filter_map(other).any(Self::needs_files)
    }

    /// The trace, and what was noticed on the way to it. Files are looked up in `folder`; what has no length of its own ends at `duration`; what is random
    /// follows from `seed`.
    ///
    /// # Errors
    /// When a field is not as it must be, a file cannot be read, or the values make no trace.
    pub fn trace(&self, folder: &Path, duration: Nanos, seed: u64) -> Result<Noted<Trace>, Error> {
        self.check()?;
        self.trace_at("trace", folder, duration, seed)
    }

    /// [`trace`](Self::trace) of a table that was checked and stands at `place`, which names its random streams.
    pub(crate) fn trace_at(
        &self,
        place: &str,
        folder: &Path,
        duration: Nanos,
        seed: u64,
    ) -> Result<Noted<Trace>, Error> {
        let mut loader = Loader { folder, duration, seed, place: place.to_owned(), notes: Vec::new() };
        let value = loader.trace(self)?;
        self.check_pace(&value)?;
        Ok(Noted { value, notes: loader.notes })
    }

    /// Refuses a trace that begins again so soon that to follow it would take for ever.
    fn check_pace(&self, trace: &Trace) -> Result<(), Error> {
        let (field, seconds, pieces) = match (self.end, self.block_s) {
            (EndName::Loop, _) => ("trace.length_s", trace.length().seconds(), trace.points().len()),
            (EndName::Bootstrap, Some(block)) => ("trace.block_s", block, 1),
            _ => return Ok(()),
        };
        let least = Self::SHORTEST * pieces as f64;
        if seconds >= least {
            return Ok(());
        }
        Err(Error::field(format!("{field} = {seconds}"), format!("at least {least} s, a microsecond a piece")))
    }

    /// Keeps shares in their range, and gives the trace its unit and end.
    fn finished(&self, trace: &Trace, unit: Unit, end: End) -> Result<Trace, Error> {
        let clamp = |&(time, value): &(Nanos, f64)| match unit {
            Unit::Share => (time, value.clamp(self.floor, self.ceiling)),
            _ => (time, value),
        };
        Trace::of(unit, trace.points().iter().map(clamp).collect(), trace.length(), end)
    }

    fn options(&self) -> ReadOptions {
        let Self { format, series, times, gaps, .. } = self.clone();
        ReadOptions { format, series, times, gaps, ..ReadOptions::default() }
    }

    /// The samples of a file's trace that are used.
    fn used(&self, trace: &Trace) -> Result<Raw, Error> {
        let all = trace.points();
        let used = all.get(self.skip..).filter(|used| !used.is_empty()).ok_or_else(|| {
            let expected = format!("less than {}, the samples of the trace", all.len());
            Error::field(format!("trace.skip = {}", self.skip), expected)
        })?;
        let start = used[0].0;
        let (times, length): (Vec<Nanos>, Nanos) = match self.seconds_per_sample {
            Some(step) => {
                let time = |i: usize| Nanos::from_seconds(i as f64 * step);
                ((0..used.len()).map(time).collect(), time(used.len()))
            }
            None => (used.iter().map(|point| point.0 - start).collect(), trace.length() - start),
        };
        Ok(Raw { times, values: used.iter().map(|point| point.1).collect(), length, unit: trace.unit() })
    }
}

/// Values before it is known what they mean.
struct Raw {
    times: Vec<Nanos>,
    values: Vec<f64>,
    length: Nanos,
    unit: Unit,
}

/// The table that a combinator names, if it names one.
fn other(combine: &Combine<TraceTable>) -> Option<&TraceTable> {
    match combine {
        Combine::Splice(splice) => Some(&splice.with),
        Combine::Overlay(overlay) => Some(&overlay.with),
        _ => None,
    }
}

/// Makes traces of tables.
struct Loader<'a> {
    folder: &'a Path,
    duration: Nanos,
    seed: u64,
    /// Where the table stands: names its random streams.
    place: String,
    notes: Vec<Note>,
}

impl Loader<'_> {
    fn trace(&mut self, table: &TraceTable) -> Result<Trace, Error> {
        let Raw { times, values, length, unit } = self.source(table)?;
        let length = table.length_s.map_or(length, Nanos::from_seconds);
        let mapped = table.map.apply(&values, unit, table.of, table.skip);
        let mapped = mapped.map_err(|error| match &table.file {
            Some(file) => error.within(self.folder.join(file).display()),
            None => error,
        })?;
        let above = mapped.iter().filter(|share| **share > 1.0).count();
        if above > 0 && table.map.clips() {
            self.notes.push(Note::new(format!("{above} of {} shares are above 1 and were lowered", mapped.len())));
        }
        let end = if table.then.is_empty() { self.end(table) } else { End::Hold };
        let trace = Trace::of(Unit::Number, times.into_iter().zip(mapped).collect(), length, end)?;
        let trace = self.combined(table, trace)?;
        let unit = if table.map == Map::Raw { unit } else { Unit::Share };
        table.finished(&trace, unit, self.end(table))
    }

    fn combined(&mut self, table: &TraceTable, mut trace: Trace) -> Result<Trace, Error> {
        for (i, combine) in table.then.iter().enumerate() {
            let place = format!("{}.then[{i}]", self.place);
            let before = std::mem::replace(&mut self.place, place);
            trace = combine.apply(&trace, self)?;
            self.place = before;
        }
        Ok(trace)
    }

    fn end(&self, table: &TraceTable) -> End {
        match (table.end, table.block_s) {
            (EndName::Loop, _) => End::Loop,
            (EndName::Stop, _) => End::Stop,
            (EndName::Bootstrap, Some(block)) => {
                End::Bootstrap(Blocks::new(self.seed, &self.place, Nanos::from_seconds(block)))
            }
            _ => End::Hold,
        }
    }

    fn source(&mut self, table: &TraceTable) -> Result<Raw, Error> {
        if let Some(file) = &table.file {
            return self.file(table, &self.folder.join(file));
        }
        let length = table.length_s.map_or(self.duration, Nanos::from_seconds);
        let points = match &table.generate {
            Some(generate) => {
                let points = generate.points(length, &mut stream(self.seed, &self.place, "generate"));
                points.map_err(|error| error.below(&self.place))?
            }
            None => {
                let steps = table.steps.iter().flatten();
                steps.map(|&(seconds, value)| (Nanos::from_seconds(seconds), value)).collect()
            }
        };
        let (times, values) = points.into_iter().unzip();
        Ok(Raw { times, values, length, unit: table.unit.unwrap_or(Unit::Number) })
    }

    fn file(&mut self, table: &TraceTable, path: &Path) -> Result<Raw, Error> {
        let noted = formats::read(path, &table.options())?;
        self.notes.extend(noted.notes);
        let within = |error: Error| error.within(path.display());
        let trace = match noted.value {
            Content::Events(events) => events.into_trace(),
            content => content.into_trace(table.series.as_deref()),
        };
        let trace = trace.map_err(within)?;
        if let Some(unit) = table.unit.filter(|unit| *unit != trace.unit()) {
            let expected = format!("{}, the unit of the file", trace.unit());
            return Err(within(Error::field(format!("trace.unit = {unit}"), expected)));
        }
        table.used(&trace).map_err(within)
    }
}

impl Context<TraceTable> for Loader<'_> {
    fn other(&mut self, source: &TraceTable) -> Result<Trace, Error> {
        let place = format!("{}.with", self.place);
        let before = std::mem::replace(&mut self.place, place);
        let trace = self.trace(source);
        self.place = before;
        trace?.measured_in(Unit::Number)
    }

    fn random(&mut self) -> Stream {
        stream(self.seed, &self.place, "combine")
    }
}
