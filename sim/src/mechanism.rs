//! How a share of the processor becomes progress: the processor of the simulated device.
use crate::event::EventQueue;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// How a share of the processor becomes progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// Work progresses at the rate of the share at each instant.
    Fluid,
    /// One thread under a quota of Linux' CPU bandwidth control. At each multiple of `period` (at least one nanosecond) since the start
    /// of the run a pool is set to the share in force times the period. A running thread uses the pool up at rate one; when it is empty
    /// the thread is throttled until the next refill. What is not used is lost (no burst). The pool is exact: the kernel hands it out in
    /// slices of up to 5 ms (`sched_cfs_bandwidth_slice_us`) and accounts at ticks, so that a thread may overrun a little and pay back in
    /// the next period; that is not modelled, and neither is the kernel's smallest quota of 1 ms.
    Quota {
        /// Time from refill to refill.
        period: Nanos,
    },
}

/// No share will ever come again: the work never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starved;

/// A processor in virtual time that gives one thread its share. Time is an integer and never goes back.
#[derive(Clone, Debug)]
pub struct Processor<'a> {
    trace: &'a Trace,
    mechanism: Mechanism,
    now: Nanos,
    events: EventQueue<Event>,
    /// Processor time a nanosecond gives, at the moment.
    rate: f64,
    /// Nanoseconds left in the pool, and the period they belong to.
    pool: f64,
    period: Option<u64>,
    served: f64,
}

/// What can happen while work is done; at equal times in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Done,
    Throttle,
    Renewal,
}

impl<'a> Processor<'a> {
    /// Refills in a row that may find no share in force, though the trace has some in between, before work counts as starved.
    const PATIENCE: u32 = 1_000_000;

    /// An idle processor at time zero.
    pub fn new(trace: &'a Trace, mechanism: Mechanism) -> Self {
        let events = EventQueue::default();
        Self { trace, mechanism, now: Nanos::ZERO, events, rate: 0.0, pool: 0.0, period: None, served: 0.0 }
    }

    /// Virtual time since the start of the run.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Processor time given so far.
    pub fn served(&self) -> Nanos {
        Nanos(self.served.round() as u64)
    }

    /// Lets time pass idly until `when`.
    pub fn wait(&mut self, when: Nanos) {
        self.now = self.now.max(when);
    }

    /// Does work that takes `demand` of processor time. Time passes until it is done.
    ///
    /// # Errors
    /// [`Starved`] when it never would be; time then stands at [`Nanos::MAX`].
    pub fn work(&mut self, demand: Nanos) -> Result<(), Starved> {
        let mut left = demand.0 as f64;
        let mut fruitless = 0;
        self.events.clear();
        self.renew();
        while fruitless < Self::PATIENCE {
            self.plan(left);
            let Some((when, event)) = self.events.pop().filter(|(when, _)| *when < Nanos::MAX) else { break };
            left -= self.advance(when, left);
            match event {
                Event::Done => return Ok(()),
                Event::Throttle => self.rate = 0.0,
                Event::Renewal => self.renew(),
            }
            fruitless = if self.rate > 0.0 || event == Event::Throttle { 0 } else { fruitless + 1 };
        }
        self.now = Nanos::MAX;
        Err(Starved)
    }

    /// Lets time pass until `when` at the present rate; the processor time given, at most `left`.
    fn advance(&mut self, when: Nanos, left: f64) -> f64 {
        let given = (self.rate * (when - self.now).0 as f64).min(left);
        self.now = when;
        self.pool -= given;
        self.served += given;
        given
    }

    /// Plans the end of the work, or of the pool, if it comes before the next renewal.
    fn plan(&mut self, left: f64) {
        if self.rate == 0.0 {
            return;
        }
        let throttled = matches!(self.mechanism, Mechanism::Quota { .. }) && self.pool < left;
        let (event, span) = if throttled { (Event::Throttle, self.pool) } else { (Event::Done, left / self.rate) };
        let when = self.now + Nanos(span.ceil() as u64);
        if self.events.next_time().is_none_or(|next| when <= next) {
            self.events.push(when, event as u8, event);
        }
    }

    /// Takes over what the trace gives now, and plans when to look again.
    fn renew(&mut self) {
        let next = match self.mechanism {
            Mechanism::Fluid => self.renew_rate(),
            Mechanism::Quota { period } => self.refill(period.0.max(1)),
        };
        if let Some(next) = next {
            self.events.push(next, Event::Renewal as u8, Event::Renewal);
        }
    }

    fn renew_rate(&mut self) -> Option<Nanos> {
        self.rate = self.trace.at(self.now);
        if self.rate > 0.0 { self.trace.next_change(self.now) } else { self.trace.next_positive(self.now) }
    }

    /// Sets the pool if the period is a new one. The next refill that may find a share is the one to wait for.
    fn refill(&mut self, period: u64) -> Option<Nanos> {
        let current = self.now.0 / period;
        if self.period != Some(current) {
            let share = self.trace.at(Nanos(current * period));
            self.pool = if share > 0.0 { (share * period as f64).round().max(1.0) } else { 0.0 };
            self.period = Some(current);
        }
        self.rate = if self.pool > 0.0 { 1.0 } else { 0.0 };
        let next = Nanos((current + 1).saturating_mul(period));
        if self.rate > 0.0 { Some(next) } else { self.trace.next_positive(next).map(|when| boundary(when, period)) }
    }
}

/// The first multiple of `period` at `when` or later.
fn boundary(when: Nanos, period: u64) -> Nanos {
    Nanos(when.0.div_ceil(period).saturating_mul(period))
}
