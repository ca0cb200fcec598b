//! The measured Pareto settings, dense at the top.
use crate::amounts::Amounts;
use crate::break_even::{LayerTimes, check_layers};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use supple_graph::Setting;

/// What a measurement was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Name of the model.
    pub model: String,
    /// Fingerprint of graph and weights, in hexadecimal.
    pub weights: String,
    /// Data the quality was measured on.
    pub data: String,
    /// CPU model as the system names it.
    pub machine: String,
    /// Backend of the executor.
    pub backend: String,
    /// Threads that computed.
    pub threads: usize,
    /// Samples in one request, or in one training step.
    pub batch: usize,
    /// Version of the executor.
    pub executor: String,
    /// Day of the measurement, YYYY-MM-DD.
    pub date: String,
}

/// Measured service times at full share, as equally spaced quantiles in seconds, ascending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Quantiles kept by [`of`](Self::of).
    const POINTS: usize = 101;

    /// From measurements in any order.
    ///
    /// # Errors
    /// When there are none, or one is negative or not finite.
    pub fn of(mut seconds: Vec<f64>) -> Result<Self, Error> {
        if seconds.is_empty() || seconds.iter().any(|s| !s.is_finite() || *s < 0.0) {
            return Err(Error::new("service times", "at least one finite, non-negative time"));
        }
        seconds.sort_by(f64::total_cmp);
        if seconds.len() <= Self::POINTS {
            return Ok(Self(seconds));
        }
        let all = Self(seconds);
        Ok(Self((0..Self::POINTS).map(|i| all.quantile(i as f64 / (Self::POINTS - 1) as f64)).collect()))
    }

    /// The quantile `q` in [0, 1], interpolated linearly between the measurements, in seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        let at = q.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        self.0[low] + (self.0[high] - self.0[low]) * (at - at.floor())
    }

    /// The median, in seconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The stored quantiles, ascending, in seconds.
    pub fn points(&self) -> &[f64] {
        &self.0
    }
}

/// One measured setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// What is computed.
    pub setting: Setting,
    /// Median cost of one request (or training step) at full share.
    pub cost: Amounts,
    /// Service times at full share.
    pub service: Spread,
    /// Accuracy on held-out data, a fraction.
    pub quality: f64,
}

/// The measured settings that are worth choosing: rung 0 is dense; each later rung costs less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// What it was measured on.
    pub stamp: Stamp,
    rungs: Vec<Rung>,
    /// The layers of the profile that it was made from: where blocks pay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerTimes>,
}

impl Ladder {
    /// A ladder from its rungs.
    ///
    /// # Errors
    /// Unless there is at least one rung, costs fall strictly from rung to rung, and costs and qualities are finite.
    pub fn new(stamp: Stamp, rungs: Vec<Rung>) -> Result<Self, Error> {
        let ladder = Self { stamp, rungs, layers: Vec::new() };
        ladder.check()?;
        Ok(ladder)
    }

    /// Whether the ladder is well-formed; call it after reading one from a file.
    ///
    /// # Errors
    /// As [`new`](Self::new), naming the first rung at fault.
    pub fn check(&self) -> Result<(), Error> {
        if self.rungs.is_empty() {
            return Err(Error::new("rungs", "at least one rung"));
        }
        for (i, rung) in self.rungs.iter().enumerate() {
            let seconds = rung.cost.seconds;
            if !seconds.is_finite() || seconds <= 0.0 {
                return Err(Error::new(format!("rungs[{i}].cost.seconds = {seconds}"), "a positive number"));
            }
            if !(0.0..=1.0).contains(&rung.quality) {
                return Err(Error::new(format!("rungs[{i}].quality = {}", rung.quality), "a fraction from 0 to 1"));
            }
            if rung.service.0.is_empty() || rung.service.0.iter().any(|s| !s.is_finite() || *s < 0.0) {
                return Err(Error::new(format!("rungs[{i}].service"), "at least one finite, non-negative time"));
            }
        }
        let falls = |pair: &[Rung]| pair[0].cost.seconds > pair[1].cost.seconds;
        match self.rungs.windows(2).position(|pair| !falls(pair)) {
            Some(i) => Err(Error::new(format!("rungs[{}].cost.seconds", i + 1), "less than the rung above")),
            None => check_layers(&self.layers),
        }
    }

    /// The same rungs with service times that were measured at another moment; costs, which policies go by, stay.
    ///
    /// # Errors
    /// Unless there is one spread a rung.
    pub fn with_services(&self, services: Vec<Spread>) -> Result<Self, Error> {
        if services.len() != self.rungs.len() {
            return Err(Error::new("services", format!("{} spreads, one a rung", self.rungs.len())));
        }
        let renewed = |(rung, service): (&Rung, Spread)| Rung { service, ..rung.clone() };
        let rungs = self.rungs.iter().zip(services).map(renewed).collect();
        Ok(Self { stamp: self.stamp.clone(), rungs, layers: self.layers.clone() })
    }

    /// The same rungs with the layers of the profile that they were measured after.
    #[must_use]
    pub fn with_layers(self, layers: Vec<LayerTimes>) -> Self {
        Self { layers, ..self }
    }

    /// The same rungs for pieces of work of which each is `factor` of the measured ones: in seconds, bytes moved and joules. Bytes resident and quality stay.
    ///
    /// # Errors
    /// Unless the factor is above zero, and the products are finite.
    pub fn times(&self, factor: f64) -> Result<Self, Error> {
        let times = |rung: &Rung| {
            let Amounts { seconds, resident, moved, joules } = rung.cost;
            let cost = Amounts { seconds: factor * seconds, resident, moved: factor * moved, joules: factor * joules };
            let service = Spread(rung.service.0.iter().map(|seconds| factor * seconds).collect());
            Rung { setting: rung.setting.clone(), cost, service, quality: rung.quality }
        };
        Self::new(self.stamp.clone(), self.rungs.iter().map(times).collect())
    }

    /// The rungs, dense first.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Index of the cheapest rung.
    pub fn last(&self) -> usize {
        self.rungs.len() - 1
    }
}

/// The rungs worth choosing among measured ones, in the order that [`Ladder::new`] takes: the dense one first (of
/// several, the first), then those of less cost in seconds that have no other which is no dearer and at least as good,
/// dearest first.
pub fn pareto(mut rungs: Vec<Rung>) -> Vec<Rung> {
    let dense = rungs.iter().position(|rung| rung.setting.is_dense()).map(|i| rungs.remove(i));
    let ceiling = dense.as_ref().map_or(f64::INFINITY, |rung| rung.cost.seconds);
    rungs.retain(|rung| rung.cost.seconds < ceiling);
    rungs.sort_by(|a, b| a.cost.seconds.total_cmp(&b.cost.seconds).then(b.quality.total_cmp(&a.quality)));
    let mut best = f64::NEG_INFINITY;
    rungs.retain(|rung| {
        rung.quality > best && {
            best = rung.quality;
            true
        }
    });
    dense.into_iter().chain(rungs.into_iter().rev()).collect()
}

/// Of rungs in the order of a ladder, those that answer at least as many requests right in a second as every dearer one. One that answers fewer is not
/// worth choosing: a dearer one that leaves requests unanswered gets as many right in the same time, and fewer wrong.
pub fn worth_answering(mut rungs: Vec<Rung>) -> Vec<Rung> {
    let mut most = 0.0;
    rungs.retain(|rung| {
        let right = rung.quality / rung.cost.seconds;
        let worth = right >= most;
        most = right.max(most);
        worth
    });
    rungs
}
