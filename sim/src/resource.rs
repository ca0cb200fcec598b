//! The contract of a resource: something of limited and moving capacity that jobs use up.
//!
//! Work is counted in integer *units*: nanoseconds of processor time at full share, bytes, microjoules. Capacity is units a
//! nanosecond as a fixed-point number; everything inside is integer arithmetic in *grains* of 2^-32 unit, so that nothing is lost or
//! made by rounding: what a resource gives is, to the last grain, what its jobs got.
use crate::heap::Handle;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Units of work a nanosecond, to 2^-32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capacity(u64);

impl Capacity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit a nanosecond: one whole processor, a byte a nanosecond.
    pub const WHOLE: Self = Self(1 << Self::BITS);
    /// Binary places of a grain.
    pub const BITS: u32 = 32;

    /// Units a nanosecond, to the nearest grain; what is above zero stays above zero. Negative numbers and NaN are zero.
    pub fn of(units: f64) -> Self {
        if units > 0.0 { Self(((units * Self::WHOLE.0 as f64).round() as u64).max(1)) } else { Self::ZERO }
    }

    /// Units a second.
    pub fn per_second(units: f64) -> Self {
        Self::of(units / 1e9)
    }

    /// From grains a nanosecond.
    pub fn from_grains(grains: u64) -> Self {
        Self(grains)
    }

    /// Grains a nanosecond.
    pub fn grains(self) -> u64 {
        self.0
    }

    /// Units a nanosecond.
    pub fn units(self) -> f64 {
        self.0 as f64 / Self::WHOLE.0 as f64
    }

    /// This part of it.
    #[must_use]
    pub fn times(self, part: f64) -> Self {
        Self::of(self.units() * part)
    }
}

/// What a job asks of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Units to be done.
    pub units: u64,
    /// Its share is in proportion to this, where shares are weighted; zero counts as one.
    pub weight: u32,
    /// The most that it can use at once, where that is heeded.
    pub cap: Option<Capacity>,
}

impl Work {
    /// Most units of a job; who asks more gets no more. As nanoseconds, more than half a year.
    pub const MOST: u64 = 1 << 54;

    /// So many units, of weight one and without a cap.
    pub fn of(units: u64) -> Self {
        Self { units, weight: 1, cap: None }
    }

    /// The units in grains.
    pub fn grains(&self) -> u128 {
        u128::from(self.units.min(Self::MOST)) << Capacity::BITS
    }
}

/// A job in a resource. A resource never gives the same one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl From<Handle> for JobId {
    fn from(handle: Handle) -> Self {
        Self(handle.to_bits())
    }
}

impl From<JobId> for Handle {
    fn from(JobId(bits): JobId) -> Self {
        Self::from_bits(bits)
    }
}

/// What a resource has taken on and given, in grains. Of jobs that ended, `given` is what they asked, neither more nor less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Asked by all jobs that began.
    pub asked: u128,
    /// Given to jobs so far.
    pub given: u128,
    /// Still asked when jobs were withdrawn.
    pub withdrawn: u128,
    /// Jobs that ended.
    pub ended: u64,
}

impl Account {
    /// Still to be given to the jobs that are there.
    pub fn left(&self) -> u128 {
        self.asked.saturating_sub(self.given).saturating_sub(self.withdrawn)
    }
}

/// Something of limited and moving capacity that jobs use up. Times never go back from call to call.
///
/// Whoever holds one asks [`next`](Self::next) after each change, lets that time pass, and then takes all that is
/// [`done`](Self::done).
pub trait Resource {
    /// Changes the capacity, from `now` on.
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity);

    /// A job begins.
    fn begin(&mut self, now: Nanos, work: Work) -> JobId;

    /// Takes a job out before its end: the units it still asked, rounded up. `None` when it is not there.
    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64>;

    /// When `done` is to be asked next, if nothing changes before: a job ends, or the resource changes by itself. `None` when never.
    fn next(&self) -> Option<Nanos>;

    /// Takes a job that ended by `now`: the one that ended first, of those that ended together the one that began first.
    fn done(&mut self, now: Nanos) -> Option<JobId>;

    /// Jobs that have begun and not ended.
    fn jobs(&self) -> usize;

    /// What it has given.
    fn account(&self) -> Account;
}

impl<R: Resource + ?Sized> Resource for Box<R> {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        (**self).set_capacity(now, capacity);
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        (**self).begin(now, work)
    }

    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
        (**self).withdraw(now, job)
    }

    fn next(&self) -> Option<Nanos> {
        (**self).next()
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        (**self).done(now)
    }

    fn jobs(&self) -> usize {
        (**self).jobs()
    }

    fn account(&self) -> Account {
        (**self).account()
    }
}
