//! A resource whose capacity moves along a trace.
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A resource of which the trace says how much there is: `full` times its share, times what is set by [`slow`](Self::slow).
///
/// The trace is only followed while there are jobs; what it did meanwhile is caught up when one begins. So a supply without jobs plans
/// nothing, and one whose trace never gives anything again plans nothing either.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Supply<R> {
    resource: R,
    full: Capacity,
    trace: Trace,
    factor: f64,
    /// When to look at the trace again.
    change: Option<Nanos>,
}

impl<R: Resource> Supply<R> {
    /// `resource` under this trace.
    pub fn new(resource: R, full: Capacity, trace: Trace) -> Self {
        let mut supply = Self { resource, full, trace, factor: 1.0, change: None };
        supply.look(Nanos::ZERO);
        supply
    }

    /// The resource itself.
    pub fn resource(&self) -> &R {
        &self.resource
    }

    /// How much there is over time.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Leaves only this part of the capacity, from `now` on; zero for a machine that is away.
    pub fn slow(&mut self, now: Nanos, factor: f64) {
        self.follow(now);
        if factor != self.factor {
            self.factor = factor;
            self.look(now);
        }
    }

    fn look(&mut self, now: Nanos) {
        let share = self.trace.at(now);
        self.change = if share > 0.0 { self.trace.next_change(now) } else { self.trace.next_positive(now) };
        self.resource.set_capacity(now, self.full.times(share * self.factor));
    }

    /// Makes all changes of the trace up to `now`.
    fn follow(&mut self, now: Nanos) {
        while let Some(change) = self.change.filter(|change| *change <= now) {
            self.look(change);
        }
    }
}

impl<R: Resource> Resource for Supply<R> {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        self.full = capacity;
        self.look(now);
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        self.follow(now);
        self.resource.begin(now, work)
    }

    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
        self.follow(now);
        self.resource.withdraw(now, job)
    }

    fn next(&self) -> Option<Nanos> {
        if self.resource.jobs() == 0 {
            return None;
        }
        let change = if self.factor > 0.0 { self.change } else { None };
        [self.resource.next(), change].into_iter().flatten().min()
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.follow(now);
        self.resource.done(now)
    }

    fn jobs(&self) -> usize {
        self.resource.jobs()
    }

    fn account(&self) -> Account {
        self.resource.account()
    }
}
