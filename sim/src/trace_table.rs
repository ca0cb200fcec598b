//! The table `[trace]` of a scenario.
use crate::error::Error;
use crate::formats;
use crate::scenario::positive;
use crate::trace::{End, Trace};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use supple_strategy::Nanos;

/// What the values of a trace file mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Map {
    /// The share, as it is.
    #[default]
    Share,
    /// The percentage that somebody else uses: the share is 1 - value / 100.
    Free,
}

impl Map {
    fn share(self, value: f64) -> f64 {
        match self {
            Self::Share => value,
            Self::Free => 1.0 - value / 100.0,
        }
    }
}

/// Table `[trace]`: the share over time, given as one of `steps` and `file`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceTable {
    /// Pairs of a time in seconds and the share from then on.
    pub steps: Option<Vec<(f64, f64)>>,
    /// Path of a trace file.
    pub file: Option<PathBuf>,
    /// Name of the file's format, see [`formats::ALL`]; `native` unless said.
    pub format: Option<String>,
    /// Samples of the file to leave out at its start.
    #[serde(default)]
    pub skip: usize,
    /// How long one sample of the file lasts; unless said, the file's own times hold.
    pub seconds_per_sample: Option<f64>,
    /// What the file's values mean.
    #[serde(default)]
    pub map: Map,
    /// Shares below are raised to this.
    #[serde(default)]
    pub floor: f64,
    /// Shares above are lowered to this.
    #[serde(default = "full")]
    pub ceiling: f64,
    /// What happens at the end of the trace.
    #[serde(default)]
    pub end: End,
    /// When the trace ends, in seconds. Unless said: steps end with the scenario, a file ends when its last sample has lasted as
    /// long as the one before.
    pub length_s: Option<f64>,
}

fn full() -> f64 {
    1.0
}

impl TraceTable {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.steps.is_some() == self.file.is_some() {
            return Err(Error::field("trace", "exactly one of steps and file"));
        }
        if let Some(name) = &self.format {
            formats::by_name(name)?;
        }
        for (field, number) in
            [("trace.seconds_per_sample", self.seconds_per_sample), ("trace.length_s", self.length_s)]
        {
            number.map_or(Ok(()), |number| positive(field, number))?;
        }
        let share = |number: f64| (0.0..=1.0).contains(&number);
        match (share(self.floor), share(self.ceiling), self.floor <= self.ceiling) {
            (true, true, true) => self.check_steps(),
            (true, false, _) => Err(Error::field(format!("trace.ceiling = {}", self.ceiling), "a share from 0 to 1")),
            (false, ..) => Err(Error::field(format!("trace.floor = {}", self.floor), "a share from 0 to 1")),
            (true, true, false) => Err(Error::field(format!("trace.floor = {}", self.floor), "at most trace.ceiling")),
        }
    }

    fn check_steps(&self) -> Result<(), Error> {
        let Some(steps) = &self.steps else { return Ok(()) };
        let mut after = -1.0;
        for (i, &(seconds, share)) in steps.iter().enumerate() {
            if !seconds.is_finite() || seconds <= after || (i == 0 && seconds != 0.0) {
                let expected = if i == 0 { "0".to_string() } else { format!("a finite number above {after}") };
                return Err(Error::field(format!("trace.steps[{i}][0] = {seconds}"), expected));
            }
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::field(format!("trace.steps[{i}][1] = {share}"), "a share from 0 to 1"));
            }
            after = seconds;
        }
        if steps.is_empty() { Err(Error::field("trace.steps", "at least one [seconds, share]")) } else { Ok(()) }
    }

    /// The trace; a file is looked up in `folder`, steps that loop or stop do so at `duration` unless `length_s` is given.
    pub(crate) fn read(&self, folder: &Path, duration: Nanos) -> Result<Trace, Error> {
        let (samples, length) = match (&self.steps, &self.file) {
            (Some(steps), _) => (steps.clone(), duration.seconds()),
            (None, Some(file)) => self.samples(&folder.join(file))?,
            (None, None) => return Err(Error::field("trace", "exactly one of steps and file")),
        };
        let clip =
            |&(seconds, share): &(f64, f64)| (Nanos::from_seconds(seconds), share.clamp(self.floor, self.ceiling));
        let length = Nanos::from_seconds(self.length_s.unwrap_or(length));
        Trace::new(samples.iter().map(clip).collect(), length, self.end)
    }

    /// Seconds and shares of the samples that are used, and when the last one ends.
    fn samples(&self, path: &Path) -> Result<(Vec<(f64, f64)>, f64), Error> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::file(path, cause))?;
        let format = formats::by_name(self.format.as_deref().unwrap_or("native"))?;
        let all = format.read(&text).map_err(|error| error.within(path.display()))?;
        let used = all.get(self.skip..).filter(|used| !used.is_empty()).ok_or_else(|| {
            let expected = format!("less than {}, the samples in {}", all.len(), path.display());
            Error::field(format!("trace.skip = {}", self.skip), expected)
        })?;
        self.check_values(used).map_err(|error| error.within(path.display()))?;
        let times = self.times(used);
        let last = times[times.len() - 1];
        let step =
            self.seconds_per_sample.unwrap_or_else(|| times.iter().rev().nth(1).map_or(1.0, |before| last - before));
        let shares = used.iter().map(|&(_, value)| self.map.share(value));
        Ok((times.iter().copied().zip(shares).collect(), last + step))
    }

    fn times(&self, used: &[(f64, f64)]) -> Vec<f64> {
        match self.seconds_per_sample {
            Some(step) => (0..used.len()).map(|i| i as f64 * step).collect(),
            None => used.iter().map(|&(seconds, _)| seconds - used[0].0).collect(),
        }
    }

    fn check_values(&self, used: &[(f64, f64)]) -> Result<(), Error> {
        let good = |&(_, value): &(f64, f64)| (0.0..=1.0).contains(&self.map.share(value));
        let Some(i) = used.iter().position(|sample| !good(sample)) else { return Ok(()) };
        let expected = match self.map {
            Map::Share => "a share from 0 to 1 (or, for percentages that others use, map = \"free\")",
            Map::Free => "a percentage from 0 to 100",
        };
        Err(Error::field(format!("value {} of sample {}", used[i].1, self.skip + i), expected))
    }
}
