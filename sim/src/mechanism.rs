//! How a share of the processor becomes progress: the processor of the simulated device.
use crate::event::EventQueue;
use crate::timing::Cold;
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
    /// the thread is throttled until the next refill. What is not used is lost (no burst). The kernel looks at the pool at its `tick`s and when a
    /// piece of work begins and ends (its processor time is asked for then, a system call): a thread runs on until the next of these, and what it overran is
    /// taken from the refills that follow. With a tick of zero the pool is exact. The kernel's slices and its smallest quota of 1 ms are not modelled.
    Quota {
        /// Time from refill to refill.
        period: Nanos,
        /// Time from tick to tick; the first is half of it after the start of the run, unless said ([`Processor::with_phase`]).
        tick: Nanos,
    },
}

/// How fast work goes on while it runs, of the speed that its demand was measured at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace<'a> {
    /// How much of something other than the processor (memory bandwidth, say) is ours over time; `None` when always all of it.
    pub free: Option<&'a Trace>,
    /// How many times longer the work takes, less one, when none of it is ours: with a part `f` free, time stretches by `1 + sensitivity (1 - f)`.
    pub sensitivity: f64,
    /// The machine's own speed over time, 1 as it was when demands were measured; `None` when always that.
    pub machine: Option<&'a Trace>,
    /// The power of the machine's speed with which work goes on: 1 as what the speed was measured with, 0 the same at every speed.
    pub power: f64,
    /// What is added whenever the thread runs again, on this rung; `None` for nothing.
    pub cold: Option<(&'a Cold, usize)>,
}

impl Pace<'_> {
    /// Work that is added after the thread was away so long.
    fn added(&self, away: Nanos) -> f64 {
        self.cold.map_or(0.0, |(cold, rung)| cold.added(rung, away).0 as f64)
    }

    /// The speed at a time.
    fn speed(&self, when: Nanos) -> f64 {
        let free = self.free.map_or(1.0, |free| 1.0 / (1.0 + self.sensitivity.max(0.0) * (1.0 - free.at(when))));
        free * self.machine.map_or(1.0, |machine| machine.at(when).powf(self.power.max(0.0)))
    }

    fn next_change(&self, when: Nanos) -> Option<Nanos> {
        let next = |trace: Option<&Trace>| trace.and_then(|trace| trace.next_change(when));
        next(self.free).into_iter().chain(next(self.machine)).min()
    }
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
    /// Work that a nanosecond of processor time does, at the moment.
    speed: f64,
    /// Nanoseconds left in the pool, below zero where more was used, and the period they belong to.
    pool: f64,
    period: Option<u64>,
    /// When the first tick is.
    phase: Nanos,
    /// Whether the thread runs: it does so to the next tick, whatever is in the pool.
    on: bool,
    /// Until when it last ran.
    ran: Nanos,
    served: f64,
}

/// What can happen while work is done; at equal times in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Done,
    Throttle,
    Pace,
    Renewal,
}

impl<'a> Processor<'a> {
    /// Refills in a row that may find no share in force, though the trace has some in between, before work counts as starved.
    const PATIENCE: u32 = 1_000_000;

    /// An idle processor at time zero.
    pub fn new(trace: &'a Trace, mechanism: Mechanism) -> Self {
        let events = EventQueue::default();
        let phase = match mechanism {
            Mechanism::Quota { tick, .. } => Nanos(tick.0 / 2),
            Mechanism::Fluid => Nanos::ZERO,
        };
        Self {
            trace,
            mechanism,
            now: Nanos::ZERO,
            events,
            rate: 0.0,
            speed: 1.0,
            pool: 0.0,
            period: None,
            phase,
            on: false,
            ran: Nanos::ZERO,
            served: 0.0,
        }
    }

    /// The same processor with its first tick at this time.
    #[must_use]
    pub fn with_phase(self, phase: Nanos) -> Self {
        Self { phase, ..self }
    }

    /// Virtual time since the start of the run.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Until when it last ran.
    pub(crate) fn ran(&self) -> Nanos {
        self.ran
    }

    /// Processor time given so far.
    pub fn served(&self) -> Nanos {
        Nanos(self.served.round() as u64)
    }

    /// Whether, of two forks of one processor, this one would end all work that may come no later than the other: it is not behind in time, and
    /// when the other's time has come it still has at least as much in its pool.
    pub fn ahead_of(&self, other: &Self) -> bool {
        self.now <= other.now && self.pool_at(other.now) >= other.pool_at(other.now)
    }

    /// What the pool holds at `when`, now or later, if no work is done until then.
    fn pool_at(&self, when: Nanos) -> f64 {
        let Mechanism::Quota { period, .. } = self.mechanism else { return 0.0 };
        let period = period.0.max(1);
        let current = when.0 / period;
        if self.period == Some(current) { self.pool } else { self.refilled(current, period) }
    }

    /// What the pool holds at the start of a period: all that a refill gives, less what is still owed.
    fn refilled(&self, current: u64, period: u64) -> f64 {
        let full = self.full(current, period);
        let owed = if self.exact() { 0.0 } else { self.pool.min(0.0) };
        match self.period {
            Some(last) if owed < 0.0 && last + 1 < current => {
                let (from, to) = (Nanos((last + 1) * period), Nanos((current + 1) * period));
                (owed + self.trace.mean(from, to) * (to - from).0 as f64).min(full)
            }
            _ => full + owed,
        }
    }

    /// Whether the pool is used up, and somebody looks late.
    fn overran(&self) -> bool {
        matches!(self.mechanism, Mechanism::Quota { .. }) && !self.exact() && self.pool <= 0.0
    }

    /// Whether nothing is overrun.
    fn exact(&self) -> bool {
        matches!(self.mechanism, Mechanism::Quota { tick: Nanos::ZERO, .. })
    }

    /// What a refill at the start of a period sets the pool to.
    fn full(&self, current: u64, period: u64) -> f64 {
        let share = self.trace.at(Nanos(current * period));
        if share > 0.0 { (share * period as f64).round().max(1.0) } else { 0.0 }
    }

    /// Lets time pass idly until `when`.
    pub fn wait(&mut self, when: Nanos) {
        self.now = self.now.max(when);
    }

    /// Takes processor time out of the pool in no time: what a thread needs to wake up is a part of how late it does.
    pub fn spend(&mut self, time: Nanos) {
        let Mechanism::Quota { period, .. } = self.mechanism else { return };
        self.pool = self.pool_at(self.now) - time.0 as f64;
        self.period = Some(self.now.0 / period.0.max(1));
        self.served += time.0 as f64;
    }

    /// Does work that takes `demand` of processor time. Time passes until it is done.
    ///
    /// # Errors
    /// [`Starved`] when it never would be; time then stands at [`Nanos::MAX`].
    pub fn work(&mut self, demand: Nanos) -> Result<(), Starved> {
        self.work_at(demand, Pace::default())
    }

    /// Does work that takes `demand` of processor time at full speed, at this pace. Time passes until it is done.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub fn work_at(&mut self, demand: Nanos, pace: Pace<'_>) -> Result<(), Starved> {
        self.work_before(demand, pace, Nanos::MAX)
    }

    /// The same for work that must end before `limit`.
    ///
    /// # Errors
    /// As [`work`](Self::work), and when the work would end at the limit or later.
    pub(crate) fn work_before(&mut self, demand: Nanos, pace: Pace<'_>, limit: Nanos) -> Result<(), Starved> {
        let mut left = demand.0 as f64;
        let (mut fruitless, mut over) = (0, false);
        self.events.clear();
        self.on = false;
        self.set_pace(&pace);
        left += self.resumed(&pace);
        while fruitless < Self::PATIENCE {
            self.plan(left);
            let Some((when, event)) = self.events.pop().filter(|(when, _)| *when < limit) else { break };
            left -= self.advance(when, left);
            match event {
                Event::Done if self.overran() => (self.rate, self.on, over) = (0.0, false, true),
                Event::Done => return Ok(()),
                Event::Throttle => (self.rate, self.on) = (0.0, false),
                Event::Pace => self.set_pace(&pace),
                Event::Renewal if over => self.renew(),
                Event::Renewal => left += self.resumed(&pace),
            }
            if over && self.rate > 0.0 {
                return Ok(());
            }
            let running = self.rate > 0.0 || event != Event::Renewal;
            fruitless = if running { 0 } else { fruitless + 1 };
        }
        self.now = Nanos::MAX;
        Err(Starved)
    }

    /// Lets time pass until `when` at the present rate; the work done, at most `left`.
    fn advance(&mut self, when: Nanos, left: f64) -> f64 {
        let given = (self.rate * (when - self.now).0 as f64).min(left / self.speed);
        self.now = when;
        self.ran = if self.rate > 0.0 { when } else { self.ran };
        self.pool -= given;
        self.served += given;
        given * self.speed
    }

    /// Takes over the speed of now, and plans when to look again.
    fn set_pace(&mut self, pace: &Pace<'_>) {
        self.speed = pace.speed(self.now);
        if let Some(next) = pace.next_change(self.now) {
            self.events.push(next, Event::Pace as u8, Event::Pace);
        }
    }

    /// Plans the end of the work, or of the pool, if it comes before all else.
    fn plan(&mut self, left: f64) {
        if self.rate == 0.0 {
            return;
        }
        let done = self.now + Nanos((left / self.speed / self.rate).ceil() as u64);
        let (when, event) = match self.throttled() {
            Some(throttled) if throttled < done => (throttled, Event::Throttle),
            _ => (done, Event::Done),
        };
        if self.events.next_time().is_none_or(|next| when <= next) {
            self.events.push(when, event as u8, event);
        }
    }

    /// When the pool is used up and somebody looks, if there is one.
    fn throttled(&self) -> Option<Nanos> {
        let Mechanism::Quota { tick, .. } = self.mechanism else { return None };
        let empty = self.now + Nanos(self.pool.max(0.0).ceil() as u64);
        Some(if tick == Nanos::ZERO { empty } else { next_tick(empty, tick, self.phase) })
    }

    /// [`renew`](Self::renew); the work that is added if the thread runs now, for the time that it was away.
    fn resumed(&mut self, pace: &Pace<'_>) -> f64 {
        self.renew();
        if self.rate > 0.0 { pace.added(self.now - self.ran) } else { 0.0 }
    }

    /// Takes over what the trace gives now, and plans when to look again.
    fn renew(&mut self) {
        let next = match self.mechanism {
            Mechanism::Fluid => self.renew_rate(),
            Mechanism::Quota { period, .. } => self.refill(period.0.max(1)),
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
            self.pool = self.refilled(current, period);
            self.period = Some(current);
        }
        let unseen = self.on && !self.exact();
        self.rate = if self.pool > 0.0 || unseen { 1.0 } else { 0.0 };
        self.on = self.rate > 0.0;
        let next = Nanos((current + 1).saturating_mul(period));
        if self.rate > 0.0 { Some(next) } else { self.trace.next_positive(next).map(|when| boundary(when, period)) }
    }
}

/// The first multiple of `period` at `when` or later.
fn boundary(when: Nanos, period: u64) -> Nanos {
    Nanos(when.0.div_ceil(period).saturating_mul(period))
}

/// The first tick at `when` or later, when there is one at `phase`.
fn next_tick(when: Nanos, tick: Nanos, phase: Nanos) -> Nanos {
    let phase = phase.0 % tick.0;
    Nanos(when.0.saturating_sub(phase).div_ceil(tick.0).saturating_mul(tick.0).saturating_add(phase))
}
