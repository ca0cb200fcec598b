//! A quota of processor time from period to period.
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A resource under a quota of Linux' CPU bandwidth control, as [`Mechanism::Quota`](crate::Mechanism::Quota) with a tick of zero says: it runs at its full
/// capacity until the pool is used up, and then not at all until the next multiple of the period. The capacity that is set is what it
/// gets on average, and counts from the next refill on. What is not used is lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quota<R> {
    inner: R,
    full: Capacity,
    period: u64,
    share: Capacity,
    now: Nanos,
    /// Nanoseconds of running that are left, and the period that they belong to.
    pool: u64,
    refilled: Option<u64>,
    running: bool,
}

impl<R: Resource> Quota<R> {
    /// `inner` under a quota; while it runs it has the capacity `full`. A period is a nanosecond at least.
    pub fn new(mut inner: R, full: Capacity, period: Nanos) -> Self {
        inner.set_capacity(Nanos::ZERO, full);
        let (period, now) = (period.0.max(1), Nanos::ZERO);
        Self { inner, full, period, share: full, now, pool: 0, refilled: None, running: true }
    }

    /// Pays for the time that passed.
    fn pay(&mut self, now: Nanos) {
        if self.running && self.inner.jobs() > 0 {
            self.pool = self.pool.saturating_sub(now.since(self.now).0);
        }
        self.now = self.now.max(now);
    }

    /// Refills the pool in a new period, and stops or goes on.
    fn renew(&mut self) {
        let current = self.now.0 / self.period;
        if self.refilled != Some(current) {
            self.refilled = Some(current);
            self.pool = self.refill();
        }
        let run = self.pool > 0;
        if run != self.running {
            self.running = run;
            self.inner.set_capacity(self.now, if run { self.full } else { Capacity::ZERO });
        }
    }

    fn refill(&self) -> u64 {
        let (share, full) = (u128::from(self.share.grains()), u128::from(self.full.grains().max(1)));
        let pool = (share * u128::from(self.period) + full / 2) / full;
        pool.min(self.period.into()).max(u128::from(share > 0)) as u64
    }

    fn pass(&mut self, now: Nanos) {
        self.pay(now);
        self.renew();
    }
}

impl<R: Resource> Resource for Quota<R> {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        if now.0.is_multiple_of(self.period) && self.refilled != Some(now.0 / self.period) {
            self.share = capacity;
        }
        self.pass(now);
        self.share = capacity;
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
        let boundary = Nanos((self.now.0 / self.period + 1).saturating_mul(self.period));
        let endless = self.running && self.share >= self.full && self.now + Nanos(self.pool) >= boundary;
        if self.inner.jobs() == 0 || endless {
            return self.inner.next();
        }
        match (self.running, self.share) {
            (true, _) => Some(self.inner.next().unwrap_or(Nanos::MAX).min(self.now + Nanos(self.pool)).min(boundary)),
            (false, Capacity::ZERO) => None,
            (false, _) => Some(boundary),
        }
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.pay(now);
        let job = self.inner.done(now);
        if job.is_none() {
            self.renew();
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
