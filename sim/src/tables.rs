//! The tables of a scenario, but for `[trace]` and `[load]`.
use crate::error::Error;
use crate::mechanism::Mechanism;
use crate::trace::{End, Trace};
use serde::Deserialize;
use supple_strategy::{Demand, Nanos};

/// Table `[request]`: what a request is; its deadline is given as one of `deadline_services` and `deadline_ms`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Samples in one request.
    #[serde(default = "one")]
    pub batch: u32,
    /// Deadline as a multiple of the dense rung's median service time.
    pub deadline_services: Option<f64>,
    /// Deadline in milliseconds.
    pub deadline_ms: Option<f64>,
}

impl Default for Request {
    fn default() -> Self {
        Self { batch: 1, deadline_services: Some(3.0), deadline_ms: None }
    }
}

impl Request {
    pub(crate) fn check(&self) -> Result<(), Error> {
        at_least_one("request.batch", self.batch.into())?;
        deadline("request", [("deadline_services", self.deadline_services), ("deadline_ms", self.deadline_ms)])
    }

    /// Time from arrival to due, when the dense rung's median service time is `service` seconds.
    pub fn deadline(&self, service: f64) -> Nanos {
        let seconds = self.deadline_ms.map(|ms| ms / 1e3);
        Nanos::from_seconds(seconds.unwrap_or_else(|| self.deadline_services.unwrap_or(0.0) * service))
    }
}

/// Table `[demand]`: what the user wants besides the deadline.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wants {
    /// Accuracy, a fraction, below which no rung may be chosen.
    pub accuracy_floor: Option<f64>,
    /// Highest part of requests that may miss their deadline.
    pub miss_ceiling: Option<f64>,
    /// What the user wants from some time on.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// A table `[[demand.changes]]`: what the user wants from `at_s` on. What it does not name stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, in seconds.
    pub at_s: f64,
    /// Accuracy, a fraction, below which no rung may be chosen.
    pub accuracy_floor: Option<f64>,
    /// Highest part of requests that may miss their deadline.
    pub miss_ceiling: Option<f64>,
    /// Deadline of requests that arrive from now on, as a multiple of the dense rung's median service time.
    pub deadline_services: Option<f64>,
    /// The same, in milliseconds.
    pub deadline_ms: Option<f64>,
}

impl Wants {
    /// What is wanted of a run with this deadline, at its beginning.
    pub(crate) fn demand(&self, deadline: Nanos) -> Demand {
        let Self { accuracy_floor, miss_ceiling, .. } = *self;
        Demand { deadline: Some(deadline), accuracy_floor, miss_ceiling }
    }

    /// What is wanted later, and from when on, ascending, when `service` is the dense rung's median service time in seconds; where `fixed`, the deadline
    /// stays.
    pub(crate) fn changes(&self, first: Demand, service: f64, fixed: bool) -> Vec<(Nanos, Demand)> {
        let next = |demand: &mut Demand, change: &Change| {
            *demand = Demand {
                deadline: change.deadline(service).filter(|_| !fixed).or(demand.deadline),
                accuracy_floor: change.accuracy_floor.or(demand.accuracy_floor),
                miss_ceiling: change.miss_ceiling.or(demand.miss_ceiling),
            };
            Some((Nanos::from_seconds(change.at_s), *demand))
        };
        self.changes.iter().scan(first, next).collect()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        fraction("demand.accuracy_floor", self.accuracy_floor)?;
        fraction("demand.miss_ceiling", self.miss_ceiling)?;
        let mut after = 0.0;
        for (i, change) in self.changes.iter().enumerate() {
            let table = format!("demand.changes[{i}]");
            if !(change.at_s.is_finite() && change.at_s > after) {
                let expected = format!("a finite number above {after}");
                return Err(Error::field(format!("{table}.at_s = {}", change.at_s), expected));
            }
            after = change.at_s;
            change.check(&table)?;
        }
        Ok(())
    }
}

impl Change {
    /// Time from arrival to due from now on, when the dense rung's median service time is `service` seconds; `None` when it stays.
    pub(crate) fn deadline(&self, service: f64) -> Option<Nanos> {
        let services = self.deadline_services.map(|services| services * service);
        self.deadline_ms.map(|ms| ms / 1e3).or(services).map(Nanos::from_seconds)
    }

    fn check(&self, table: &str) -> Result<(), Error> {
        fraction(&format!("{table}.accuracy_floor"), self.accuracy_floor)?;
        fraction(&format!("{table}.miss_ceiling"), self.miss_ceiling)?;
        match (self.deadline_services, self.deadline_ms) {
            (None, None) => Ok(()),
            given => deadline(table, [("deadline_services", given.0), ("deadline_ms", given.1)]),
        }
    }
}

/// Table `[bandwidth]`: how much of the memory bandwidth is ours over time. It moves apart from the share of the processor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Pairs of a time in seconds and the part of the bandwidth that is free from then on.
    pub steps: Vec<(f64, f64)>,
    /// When the steps begin again, in seconds; unless said, the last holds.
    pub length_s: Option<f64>,
    /// How many times longer work takes, less one, when none is free, where no calibration knows better.
    #[serde(default)]
    pub sensitivity: f64,
}

impl Bandwidth {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(self.sensitivity.is_finite() && self.sensitivity >= 0.0) {
            let found = format!("bandwidth.sensitivity = {}", self.sensitivity);
            return Err(Error::field(found, "a finite number, not below 0"));
        }
        steps("bandwidth", &self.steps, self.length_s, |part| (0.0..=1.0).contains(&part), "a part from 0 to 1")?;
        self.trace().map(drop)
    }

    /// The part that is free over time.
    pub(crate) fn trace(&self) -> Result<Trace, Error> {
        let points = self.steps.iter().map(|&(seconds, part)| (Nanos::from_seconds(seconds), part)).collect();
        match self.length_s {
            Some(length) => Trace::new(points, Nanos::from_seconds(length), End::Loop),
            None => Trace::new(points, Nanos::ZERO, End::Hold),
        }
    }
}

/// Refuses steps whose times do not ascend from zero or whose values are not `good`, and a length that is not after the last.
pub(crate) fn steps(
    table: &str,
    steps: &[(f64, f64)],
    length_s: Option<f64>,
    good: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<(), Error> {
    let mut after = None;
    for (i, &(seconds, value)) in steps.iter().enumerate() {
        let late = after.map_or(seconds == 0.0, |after| seconds > after);
        let found = |j: usize, number: f64| format!("{table}.steps[{i}][{j}] = {number}");
        if !(seconds.is_finite() && late) {
            return Err(Error::field(found(0, seconds), "0 first, then ascending finite numbers"));
        }
        if !(value.is_finite() && good(value)) {
            return Err(Error::field(found(1, value), expected));
        }
        after = Some(seconds);
    }
    let least = 1e-6 * steps.len() as f64;
    match length_s {
        Some(length) if length < least => {
            let found = format!("{table}.length_s = {length}");
            Err(Error::field(found, format!("at least {least} s, a microsecond a step")))
        }
        Some(length) if !(length.is_finite() && length > after.unwrap_or(0.0)) => {
            let found = format!("{table}.length_s = {length}");
            Err(Error::field(found, format!("a time after the last of {table}.steps")))
        }
        _ => Ok(()),
    }
}

/// Names of the ways in which a share becomes progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MechanismName {
    /// See [`Mechanism::Quota`].
    #[default]
    Quota,
    /// See [`Mechanism::Fluid`].
    Fluid,
}

/// Table `[device]`: how the device turns its share into progress.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    /// The way.
    pub mechanism: MechanismName,
    /// Period of the quota, in milliseconds, 1 to 1000 as in Linux.
    pub period_ms: f64,
    /// The kernel's tick, in milliseconds; zero where it is not to be modelled.
    pub tick_ms: f64,
}

impl Default for Device {
    fn default() -> Self {
        Self { mechanism: MechanismName::Quota, period_ms: 20.0, tick_ms: 0.0 }
    }
}

impl Device {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let good = (1.0..=1000.0).contains(&self.period_ms);
        if !good {
            return Err(Error::field(format!("device.period_ms = {}", self.period_ms), "a number from 1 to 1000"));
        }
        let good = (0.0..=self.period_ms).contains(&self.tick_ms);
        let found = || format!("device.tick_ms = {}", self.tick_ms);
        if good { Ok(()) } else { Err(Error::field(found(), "a number from 0 to device.period_ms")) }
    }

    pub(crate) fn mechanism(&self) -> Mechanism {
        match self.mechanism {
            MechanismName::Quota => Mechanism::Quota {
                period: Nanos::from_seconds(self.period_ms / 1e3),
                tick: Nanos::from_seconds(self.tick_ms / 1e3),
            },
            MechanismName::Fluid => Mechanism::Fluid,
        }
    }
}

/// Table `[training]`: a training run; its deadline is given as one of `deadline_services` and `deadline_s`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Steps to make.
    pub steps: usize,
    /// Samples in one step.
    pub batch: u32,
    /// Deadline as a multiple of the dense step's median time.
    pub deadline_services: Option<f64>,
    /// Deadline in seconds.
    pub deadline_s: Option<f64>,
}

impl Training {
    /// Most steps; a run with more is refused.
    pub const MOST: usize = 10_000_000;

    pub(crate) fn check(&self) -> Result<(), Error> {
        at_least_one("training.steps", self.steps as u64)?;
        if self.steps > Self::MOST {
            return Err(Error::field(format!("training.steps = {}", self.steps), format!("at most {}", Self::MOST)));
        }
        at_least_one("training.batch", self.batch.into())?;
        deadline("training", [("deadline_services", self.deadline_services), ("deadline_s", self.deadline_s)])
    }

    /// When the run is due, when the dense step's median time is `service` seconds.
    pub fn deadline(&self, service: f64) -> Nanos {
        let seconds = self.deadline_s.unwrap_or_else(|| self.deadline_services.unwrap_or(0.0) * service);
        Nanos::from_seconds(seconds)
    }
}

fn one() -> u32 {
    1
}

pub(crate) fn at_least_one(field: &str, number: u64) -> Result<(), Error> {
    if number > 0 { Ok(()) } else { Err(Error::field(format!("{field} = 0"), "at least 1")) }
}

fn deadline(table: &str, given: [(&str, Option<f64>); 2]) -> Result<(), Error> {
    one_of(table, given, |number| number > 0.0, "a finite number above 0")
}

fn fraction(field: &str, number: Option<f64>) -> Result<(), Error> {
    match number {
        Some(number) if !(0.0..=1.0).contains(&number) => {
            Err(Error::field(format!("{field} = {number}"), "a fraction from 0 to 1"))
        }
        _ => Ok(()),
    }
}

/// Refuses all but exactly one of two fields, with a finite number that is `good`.
pub(crate) fn one_of(
    table: &str,
    given: [(&str, Option<f64>); 2],
    good: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<(), Error> {
    let [(first, one), (second, other)] = given;
    let (field, number) = match (one, other) {
        (Some(number), None) => (first, number),
        (None, Some(number)) => (second, number),
        _ => return Err(Error::field(table, format!("exactly one of {first} and {second}"))),
    };
    if number.is_finite() && good(number) {
        return Ok(());
    }
    Err(Error::field(format!("{table}.{field} = {number}"), expected))
}

/// Refuses a number that is not finite and above zero.
pub(crate) fn positive(field: &str, number: f64) -> Result<(), Error> {
    let good = number.is_finite() && number > 0.0;
    if good { Ok(()) } else { Err(Error::field(format!("{field} = {number}"), "a finite number above 0")) }
}
