//! What was measured of a machine that a ladder does not say: the timing model of the simulated device.
use crate::error::Error;
use crate::speeds::Looks;
use serde::{Deserialize, Serialize};
use supple_strategy::{Ladder, Nanos, Rung, Spread, Stamp};

/// The timing model of one machine, fitted component by component. The default is a machine that loses no time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// The kernel's tick, in milliseconds: how late a used-up quota is noticed. Zero: at once.
    pub tick_ms: f64,
    /// Time from a refill to the next tick, in milliseconds, where it is known: it is another in every run.
    pub phase_ms: Option<f64>,
    /// By how much a wait ends too late, in seconds, as ascending quantiles. Empty: never.
    pub wake: Option<Spread>,
    /// What a wait takes of the processor, in seconds: to fall asleep and to wake.
    pub wait_s: f64,
    /// Time that a change of the rung takes, in seconds.
    pub switch_s: f64,
    /// What work takes more when the thread was away before, because it waited or a quota stopped it.
    pub cold: Cold,
    /// For each rung, how many times longer, less one, it takes when no memory bandwidth is free. Empty: never longer.
    pub bandwidth: Vec<f64>,
    /// For each rung, the power of the machine's speed ([`Speeds`](crate::Speeds)) with which its work goes on. Empty: 1.
    pub powers: Vec<f64>,
}

/// What work takes more of the processor after its thread did not run for a while, and others had the caches and the processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cold {
    /// How long the thread was away, in ascending seconds above zero.
    pub away_s: Vec<f64>,
    /// For each rung, what is added after each of these, in seconds. Between them lines are drawn, from nothing after no time; after the last it is the same.
    pub added_s: Vec<Vec<f64>>,
    /// For each rung, what is added right after another rung, in seconds, where it is more than for the time away: others' weights were in the caches.
    pub changed_s: Vec<f64>,
}

impl Cold {
    /// What is added to work on a rung after so long; for a rung that was not measured, what is added to the last.
    pub fn added(&self, rung: usize, away: Nanos) -> Nanos {
        let Some(added) = self.added_s.get(rung).or(self.added_s.last()) else { return Nanos::ZERO };
        let seconds = away.seconds();
        let (mut low, mut least) = (0.0, 0.0);
        for (&high, &most) in self.away_s.iter().zip(added) {
            if seconds < high {
                return Nanos::from_seconds(least + (most - least) * (seconds - low) / (high - low));
            }
            (low, least) = (high, most);
        }
        Nanos::from_seconds(least)
    }

    /// What is added to work on a rung right after another, beside what is added after so long.
    pub fn changed(&self, rung: usize, away: Nanos) -> Nanos {
        let changed = self.changed_s.get(rung).or(self.changed_s.last()).copied().unwrap_or(0.0);
        Nanos::from_seconds(changed).since(self.added(rung, away))
    }

    fn check(&self) -> Result<(), Error> {
        let changed = self.changed_s.iter().find(|number| !(number.is_finite() && **number >= 0.0));
        if let Some(number) = changed {
            return Err(Error::field(format!("timing.cold.changed_s = {number}"), "finite numbers, not below 0"));
        }
        let ascends = self.away_s.iter().try_fold(0.0, |low, &high| (high.is_finite() && high > low).then_some(high));
        if ascends.is_none() {
            return Err(Error::field("timing.cold.away_s", "ascending finite numbers above 0"));
        }
        let good = |added: &Vec<f64>| {
            added.len() == self.away_s.len() && added.iter().all(|number| number.is_finite() && *number >= 0.0)
        };
        match self.added_s.iter().position(|added| !good(added)) {
            Some(rung) => Err(Error::field(
                format!("timing.cold.added_s[{rung}]"),
                format!("{} finite numbers, not below 0", self.away_s.len()),
            )),
            None => Ok(()),
        }
    }
}

impl Timing {
    /// How late a wait until `when` ends; the same wait is always as late in a run with this seed.
    pub(crate) fn lateness(&self, seed: u64, when: Nanos) -> Nanos {
        let Some(wake) = &self.wake else { return Nanos::ZERO };
        Nanos::from_seconds(wake.quantile(uniform(seed ^ when.0)))
    }

    /// Sensitivity of a rung to missing memory bandwidth, where it was measured.
    pub(crate) fn sensitivity(&self, rung: usize) -> Option<f64> {
        self.bandwidth.get(rung).or(self.bandwidth.last()).copied()
    }

    /// The power of the machine's speed with which work goes on, on a rung.
    pub(crate) fn power(&self, rung: usize) -> f64 {
        self.powers.get(rung).or(self.powers.last()).copied().unwrap_or(1.0)
    }

    /// Whether every number is possible.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), Error> {
        self.cold.check()?;
        let numbers = [("tick_ms", self.tick_ms), ("wait_s", self.wait_s), ("switch_s", self.switch_s)];
        let numbers = numbers.into_iter().chain(self.phase_ms.map(|phase| ("phase_ms", phase)));
        let rungs = self.bandwidth.iter().map(|&number| ("bandwidth", number));
        let powers = self.powers.iter().map(|&number| ("powers", number));
        match numbers.chain(rungs).chain(powers).find(|(_, number)| !(number.is_finite() && *number >= 0.0)) {
            Some((name, number)) => {
                Err(Error::field(format!("timing.{name} = {number}"), "a finite number, not below 0"))
            }
            None => Ok(()),
        }
    }
}

/// A number from 0 to 1 that looks random, from one that need not (the finaliser of SplitMix64; Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014).
fn uniform(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
}

/// A calibration: the timing model with what it was measured on, and how far it was from what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What it was measured on.
    pub stamp: Stamp,
    /// Service times of each rung at full share, in seconds.
    pub service: Vec<Spread>,
    /// Accuracy of each rung on the requests' rows.
    pub quality: Vec<f64>,
    /// The timing model.
    pub timing: Timing,
    /// What tells the machine's speed.
    pub gauge: Gauge,
    /// What it was fitted to.
    pub fits: Vec<Fit>,
}

/// What is known of a gauge, the small fixed piece of work that tells the machine's speed: [`Speeds`](crate::Speeds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gauge {
    /// What it takes of the processor at a speed of 1, in seconds.
    pub seconds: f64,
    /// How many times longer, less one, it takes when no memory bandwidth is free.
    pub bandwidth: f64,
}

/// How well one model explains what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// What was tried.
    pub model: String,
    /// Mean over the measured cases of the error of mean, median and 95th percentile, over the live figure.
    pub error: f64,
}

impl Calibration {
    /// The same with the service times that these looks found, and the speed that they were found at as 1, for a run of `work` on these rungs: a machine is not
    /// what it was a while ago.
    ///
    /// # Errors
    /// When a rung was not looked at.
    pub fn renewed(&self, looks: &Looks, work: impl IntoIterator<Item = usize>) -> Result<Self, Error> {
        let powers: Vec<f64> = (0..self.service.len()).map(|rung| self.timing.power(rung)).collect();
        let service = looks.services(&powers).map_err(|cause| Error::entry("looks", cause))?;
        let gauge = Gauge { seconds: looks.reference_beside(work), ..self.gauge };
        Ok(Self { service, gauge, ..self.clone() })
    }

    /// The ladder as this calibration found the machine: its service times and qualities; costs, which policies go by, stay.
    ///
    /// # Errors
    /// When it was made of another ladder, or a number is not possible.
    pub fn machine(&self, ladder: &Ladder) -> Result<Ladder, Error> {
        let entry = |cause| Error::entry("calibration", cause);
        self.timing.check()?;
        self.stamp.matches(&ladder.stamp).map_err(entry)?;
        let renewed = ladder.with_services(self.service.clone()).map_err(entry)?;
        if self.quality.len() != ladder.rungs().len() {
            let found = format!("calibration.quality: {} numbers", self.quality.len());
            return Err(Error::field(found, format!("{}, one a rung", ladder.rungs().len())));
        }
        let rungs = renewed.rungs().iter().zip(&self.quality);
        let rungs = rungs.map(|(rung, &quality)| Rung { quality, ..rung.clone() }).collect();
        Ok(Ladder::new(ladder.stamp.clone(), rungs).map_err(entry)?.with_layers(ladder.layers.clone()))
    }
}
