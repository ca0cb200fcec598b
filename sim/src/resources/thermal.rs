//! Power, energy and heat.
use crate::error::Error;
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// How a machine turns work into heat and gets rid of it: one thermal resistance and one capacity (the lumped RC model of Skadron,
/// Abdelzaher and Stan, "Control-theoretic techniques and thermal-RC modeling", HPCA 2002).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Heat {
    /// Temperature around, in degrees Celsius.
    pub ambient_c: f64,
    /// Thermal resistance, in kelvin per watt.
    pub kelvin_per_watt: f64,
    /// Heat capacity, in joules per kelvin.
    pub joules_per_kelvin: f64,
    /// Power without work, in watts.
    pub idle_w: f64,
    /// Power at full capacity, in watts.
    pub peak_w: f64,
    /// Temperature at which it throttles.
    pub hot_c: f64,
    /// Temperature at which it goes on as before.
    pub cool_c: f64,
    /// Part of the capacity that is left while it throttles.
    pub throttle: f64,
}

impl Heat {
    /// Seconds in which a difference of temperature falls to 1/e.
    fn time_constant(&self) -> f64 {
        self.kelvin_per_watt * self.joules_per_kelvin
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let positive = [("kelvin_per_watt", self.kelvin_per_watt), ("joules_per_kelvin", self.joules_per_kelvin)];
        let natural = [("idle_w", self.idle_w), ("peak_w", self.peak_w), ("throttle", self.throttle)];
        let fault =
            |(name, number): (&str, f64), expected| Err(Error::field(format!("heat.{name} = {number}"), expected));
        if let Some(wrong) = positive.into_iter().find(|(_, number)| !(number.is_finite() && *number > 0.0)) {
            return fault(wrong, "a finite number above 0");
        }
        if let Some(wrong) = natural.into_iter().find(|(_, number)| !(number.is_finite() && *number >= 0.0)) {
            return fault(wrong, "a finite number, not below 0");
        }
        if self.throttle > 1.0 {
            return fault(("throttle", self.throttle), "at most 1");
        }
        let ascending = self.ambient_c < self.cool_c && self.cool_c < self.hot_c && self.hot_c.is_finite();
        if ascending && self.ambient_c.is_finite() {
            Ok(())
        } else {
            fault(("hot_c", self.hot_c), "ambient_c < cool_c < hot_c")
        }
    }
}

/// A resource that heats its machine while it works, and gets only a part of its capacity from when that is hot until it has cooled
/// down. Power is `idle_w` without jobs, and with jobs rises in proportion to the capacity in use to `peak_w`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thermal<R> {
    inner: R,
    heat: Heat,
    full: Capacity,
    capacity: Capacity,
    now: Nanos,
    celsius: f64,
    hottest: f64,
    joules: f64,
    throttled: bool,
    throttled_s: f64,
}

impl<R: Resource> Thermal<R> {
    /// `inner` at ambient temperature, whose power is `peak_w` at the capacity `full`.
    ///
    /// # Errors
    /// Unless all numbers are finite, resistance and heat capacity above zero, and temperatures ascend from ambient over cool to hot.
    pub fn new(mut inner: R, heat: Heat, full: Capacity) -> Result<Self, Error> {
        heat.check()?;
        inner.set_capacity(Nanos::ZERO, full);
        let (now, celsius) = (Nanos::ZERO, heat.ambient_c);
        let (hottest, joules, throttled, throttled_s) = (celsius, 0.0, false, 0.0);
        Ok(Self { inner, heat, full, capacity: full, now, celsius, hottest, joules, throttled, throttled_s })
    }

    /// Temperature at the last change, in degrees Celsius.
    pub fn celsius(&self) -> f64 {
        self.celsius
    }

    /// Highest temperature up to the last change, in degrees Celsius.
    pub fn hottest(&self) -> f64 {
        self.hottest
    }

    /// Energy used up to the last change, in joules.
    pub fn joules(&self) -> f64 {
        self.joules
    }

    /// Energy used up to now, if nothing changed since the last change, in joules.
    pub fn joules_at(&self, now: Nanos) -> f64 {
        self.joules + self.watts() * now.since(self.now).seconds()
    }

    /// How long it was throttled up to the last change, in seconds.
    pub fn throttled_s(&self) -> f64 {
        self.throttled_s
    }

    /// Whether it is throttled.
    pub fn throttled(&self) -> bool {
        self.throttled
    }

    fn effective(&self) -> Capacity {
        if self.throttled { self.capacity.times(self.heat.throttle) } else { self.capacity }
    }

    fn watts(&self) -> f64 {
        if self.inner.jobs() == 0 {
            return self.heat.idle_w;
        }
        let used = self.effective().units() / self.full.units().max(f64::MIN_POSITIVE);
        self.heat.idle_w + (self.heat.peak_w - self.heat.idle_w) * used
    }

    /// The temperature that the present power leads to.
    fn equilibrium(&self) -> f64 {
        self.heat.ambient_c + self.heat.kelvin_per_watt * self.watts()
    }

    fn heat_up(&mut self, now: Nanos) {
        let seconds = now.since(self.now).seconds();
        let goal = self.equilibrium();
        self.joules += self.watts() * seconds;
        self.celsius = goal + (self.celsius - goal) * (-seconds / self.heat.time_constant()).exp();
        self.hottest = self.hottest.max(self.celsius);
        self.throttled_s += if self.throttled { seconds } else { 0.0 };
        self.now = self.now.max(now);
    }

    fn control(&mut self) {
        let limit = if self.throttled { self.heat.cool_c } else { self.heat.hot_c };
        if (self.celsius >= limit) != self.throttled {
            self.throttled = !self.throttled;
            let effective = self.effective();
            self.inner.set_capacity(self.now, effective);
        }
    }

    fn pass(&mut self, now: Nanos) {
        self.heat_up(now);
        self.control();
    }

    /// When the temperature comes to the limit at the present power.
    fn crossing(&self) -> Option<Nanos> {
        let (goal, limit) = (self.equilibrium(), if self.throttled { self.heat.cool_c } else { self.heat.hot_c });
        let ratio = (self.celsius - goal) / (limit - goal);
        let seconds = self.heat.time_constant() * ratio.ln();
        (ratio.is_finite() && ratio >= 1.0).then(|| self.now + Nanos(Nanos::from_seconds(seconds).0 + 1))
    }
}

impl<R: Resource> Resource for Thermal<R> {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        self.pass(now);
        self.capacity = capacity;
        let effective = self.effective();
        self.inner.set_capacity(now, effective);
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        self.pass(now);
        self.inner.begin(now, work)
    }

    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
        self.pass(now);
        self.inner.withdraw(now, job)
    }

    fn next(&self) -> Option<Nanos> {
        let crossing = if self.inner.jobs() > 0 { self.crossing() } else { None };
        [self.inner.next(), crossing].into_iter().flatten().min().filter(|next| *next < Nanos::MAX)
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.heat_up(now);
        let job = self.inner.done(now);
        if job.is_none() {
            self.control();
        }
        job
    }

    fn jobs(&self) -> usize {
        self.inner.jobs()
    }

    fn account(&self) -> Account {
        self.inner.account()
    }
}
