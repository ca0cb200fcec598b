//! When a gauge runs beside other work: live, and in the simulation of that run.
use crate::trace::Trace;
use supple_strategy::Nanos;

/// How often in a row it runs at most, where there was no time for it before.
const MOST: u64 = 8;
/// The least share that it is spread over.
const LEAST: f64 = 0.02;

/// What a gauge takes of the processor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// One run.
    pub cost: Nanos,
    /// All runs, at most, as a part of the processor time that the share gives.
    pub part: f64,
}

/// When a gauge, the small fixed piece of work that tells a machine's speed, is due beside other work of its thread. It depends on the share, and on when
/// there is room.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    share: &'a Trace,
    allowance: Allowance,
    due: Nanos,
}

impl<'a> Watch<'a> {
    /// For a gauge that takes so much of the processor, beside work under this share.
    pub fn new(share: &'a Trace, allowance: Allowance) -> Self {
        Self { share, allowance, due: Nanos::ZERO }
    }

    /// What the gauge takes.
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// From one run to the next, under the share of this time.
    pub fn period(&self, now: Nanos) -> Nanos {
        let Allowance { cost, part } = self.allowance;
        Nanos::from_seconds(cost.seconds() / part / self.share.at(now).max(LEAST))
    }

    /// How often to run it now, in an idle gap of this length.
    pub fn idle(&mut self, now: Nanos, gap: Nanos) -> u64 {
        let fits = gap.0 > 2 * self.allowance.cost.0;
        if now >= self.due && fits { self.take(now, 1) } else { 0 }
    }

    /// After an idle gap, which is nothing to make up for.
    pub fn waited(&mut self, now: Nanos) {
        self.due = self.due.max(now);
    }

    /// How often to run it now, between two pieces of work without a gap: it makes up for what there was no time for.
    pub fn busy(&mut self, now: Nanos) -> u64 {
        match now.since(self.due).0 / self.period(now).0.max(1) {
            0 => 0,
            owed => self.take(now, owed.min(MOST)),
        }
    }

    fn take(&mut self, now: Nanos, count: u64) -> u64 {
        self.due = now + self.period(now);
        count
    }
}
