//! The table `[load]` of a scenario.
use crate::error::Error;
use crate::formats;
use crate::tables::positive;
use crate::tables::{one_of, steps};
use crate::workloads::Modulated;
use serde::Deserialize;
use std::path::PathBuf;

/// How requests arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independently of each other: exponential times between arrivals.
    #[default]
    Poisson,
    /// At equal distances, the first at time zero.
    Periodic,
    /// Independently of each other in each of `phases`, which follow each other at random; see [`Modulated`].
    Modulated,
    /// As the events of `file` were recorded. Seeds do not move them.
    Replayed,
}

/// Table `[load]`: when requests arrive. The rate is given as one of `utilisation` and `rate_hz`; of replayed arrivals it is the mean rate that they are
/// brought to, and as recorded, or `faster` times that, unless given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// How requests arrive.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Part of the machine's time, at full share, that the dense rung would need to serve all.
    pub utilisation: Option<f64>,
    /// Requests a second.
    pub rate_hz: Option<f64>,
    /// How the load moves: pairs of a time in seconds and the factor on the rate from then on.
    #[serde(default)]
    pub steps: Vec<(f64, f64)>,
    /// When the steps begin again, in seconds; unless said, the last holds.
    pub length_s: Option<f64>,
    /// Phases of modulated arrivals, the first of them first: pairs of the factor on the rate and the mean length in seconds.
    #[serde(default)]
    pub phases: Vec<(f64, f64)>,
    /// Path of the file of replayed arrivals, which holds events; compressed by gzip or not.
    pub file: Option<PathBuf>,
    /// Name of the file's format, see [`formats::ALL`]; found out from the file unless given.
    pub format: Option<String>,
    /// Replayed arrivals begin at this time of the file, in seconds after its first event.
    pub from_s: Option<f64>,
    /// Replayed arrivals end before this time of the file, in seconds after its first event. When they are through, none follows.
    pub until_s: Option<f64>,
    /// How many times faster than recorded arrivals are replayed.
    pub faster: Option<f64>,
    /// Column of the file of replayed arrivals to which the work of a request is proportional, such as `generated_tokens`; every request is one piece of work
    /// unless given. Policies are not told.
    pub size: Option<String>,
    /// The amount in that column that is one piece of work as the ladder was measured with; the mean over the replayed arrivals unless given.
    pub size_of_one: Option<f64>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            arrivals: Arrivals::Poisson,
            utilisation: Some(0.5),
            rate_hz: None,
            steps: Vec::new(),
            length_s: None,
            phases: Vec::new(),
            file: None,
            format: None,
            from_s: None,
            until_s: None,
            faster: None,
            size: None,
            size_of_one: None,
        }
    }
}

impl Load {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.arrivals {
            Arrivals::Replayed => self.check_replayed()?,
            _ => self.check_made()?,
        }
        self.check_phases()?;
        steps("load", &self.steps, self.length_s, |factor| factor >= 0.0, NATURAL)
    }

    fn check_made(&self) -> Result<(), Error> {
        let given = [
            ("file", self.file.is_some()),
            ("format", self.format.is_some()),
            ("from_s", self.from_s.is_some()),
            ("until_s", self.until_s.is_some()),
            ("faster", self.faster.is_some()),
            ("size", self.size.is_some()),
            ("size_of_one", self.size_of_one.is_some()),
        ];
        if let Some((name, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(Error::field(format!("load.{name}"), "it only with load.arrivals = \"replayed\""));
        }
        let rates = [("utilisation", self.utilisation), ("rate_hz", self.rate_hz)];
        one_of("load", rates, |number| number >= 0.0, NATURAL)
    }

    fn check_replayed(&self) -> Result<(), Error> {
        if self.file.is_none() {
            return Err(Error::field("load.file", "the path of a file with load.arrivals = \"replayed\""));
        }
        if let Some(name) = &self.format {
            formats::by_name(name).map_err(|error| error.below("load"))?;
        }
        let rates = [("utilisation", self.utilisation), ("rate_hz", self.rate_hz), ("faster", self.faster)];
        let given: Vec<_> = rates.into_iter().filter_map(|(name, number)| Some((name, number?))).collect();
        if given.len() > 1 {
            return Err(Error::field("load", "at most one of utilisation, rate_hz and faster"));
        }
        given.into_iter().try_for_each(|(name, number)| positive(&format!("load.{name}"), number))?;
        self.check_size()?;
        self.check_window()
    }

    fn check_size(&self) -> Result<(), Error> {
        match self.size_of_one {
            Some(_) if self.size.is_none() => Err(Error::field("load.size_of_one", "it only with load.size")),
            Some(amount) => positive("load.size_of_one", amount),
            None => Ok(()),
        }
    }

    fn check_window(&self) -> Result<(), Error> {
        let from = self.from_s.unwrap_or(0.0);
        if !(from.is_finite() && from >= 0.0) {
            return Err(Error::field(format!("load.from_s = {from}"), NATURAL));
        }
        match self.until_s {
            Some(until) if !(until.is_finite() && until > from) => {
                Err(Error::field(format!("load.until_s = {until}"), format!("a finite number above {from}")))
            }
            _ => Ok(()),
        }
    }

    fn check_phases(&self) -> Result<(), Error> {
        if (self.arrivals == Arrivals::Modulated) == self.phases.is_empty() {
            return Err(Error::field("load.phases", "phases if and only if load.arrivals = \"modulated\""));
        }
        for (i, &(factor, mean_s)) in self.phases.iter().enumerate() {
            let found = |j: usize, number: f64| format!("load.phases[{i}][{j}] = {number}");
            if !(factor.is_finite() && factor >= 0.0) {
                return Err(Error::field(found(0, factor), NATURAL));
            }
            if !(mean_s.is_finite() && mean_s >= Modulated::SHORTEST) {
                let expected = format!("a finite number, at least {}", Modulated::SHORTEST);
                return Err(Error::field(found(1, mean_s), expected));
            }
        }
        Ok(())
    }

    /// The highest factor on the rate.
    pub(crate) fn highest(&self) -> f64 {
        let most = |factors: &mut dyn Iterator<Item = f64>| factors.reduce(f64::max).unwrap_or(1.0);
        let steps = most(&mut self.steps.iter().map(|(_, factor)| *factor));
        steps * most(&mut self.phases.iter().map(|(factor, _)| *factor))
    }

    /// Requests a second where the factor of `steps` is one, when one takes `service` seconds on average on the dense rung; `None` for arrivals that are
    /// replayed at a rate of their own.
    pub fn rate_hz(&self, service: f64) -> Option<f64> {
        self.rate_hz.or_else(|| self.utilisation.map(|utilisation| utilisation / service))
    }
}

const NATURAL: &str = "a finite number, not below 0";
