//! What waits for one model on one machine, and when how much of it runs on which rung. Live and simulated runs share it.
use crate::ladder::Ladder;
use crate::plant::Outcome;
use crate::policy::{Completion, Observation, Policy};
use crate::request::{Record, Request};
use crate::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How requests are put together into one piece of work. The default runs them one by one, at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batching {
    /// Most requests in a batch; zero counts as one.
    pub most: usize,
    /// How long the first of a batch that is not full waits for more.
    pub patience: Nanos,
    /// Part of the time of one request that a batch takes once, from 0 to 1: `k` requests take `fixed + (1 - fixed) k` times as long.
    pub fixed: f64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { most: 1, patience: Nanos::ZERO, fixed: 0.0 }
    }
}

impl Batching {
    /// Time of a batch of this size (in requests; sizes of requests add up) over the time of one request.
    pub fn growth(&self, size: f64) -> f64 {
        let fixed = self.fixed.clamp(0.0, 1.0);
        fixed + (1.0 - fixed) * size
    }
}

/// A request that waits or runs: its number, and the request.
pub type Numbered = (usize, Request);

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: nothing waits.
    Idle,
    /// Nothing until this time, unless something arrives.
    Wait(Nanos),
    /// Run the requests that are now [`running`](Server::running) on this rung, and say when they are [`done`](Server::done).
    Run(usize),
}

/// First come, first served; what is past due when its turn comes is dropped. A state without clock and I/O: whoever runs it says what
/// time it is.
///
/// Policies see times in pieces of the size that the ladder was measured with: for a batch that takes as long as `g` of them, the time
/// left, and the time that it took, are divided by `g`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    batching: Batching,
    waiting: VecDeque<Numbered>,
    running: Vec<Numbered>,
    started: Nanos,
    rung: usize,
    finished: Option<Completion>,
}

impl Server {
    /// A server on the dense rung.
    pub fn new(batching: Batching) -> Self {
        Self { batching, ..Self::default() }
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests that run.
    pub fn running(&self) -> &[Numbered] {
        &self.running
    }

    /// The rung that is set.
    pub fn rung(&self) -> usize {
        self.rung
    }

    /// How batches are made.
    pub fn batching(&self) -> &Batching {
        &self.batching
    }

    /// A request arrives; requests come in order.
    pub fn arrive(&mut self, number: usize, request: Request) {
        self.waiting.push_back((number, request));
    }

    /// What to do now, when nothing runs. What is dropped is added to `records`.
    pub fn turn(
        &mut self,
        now: Nanos,
        ladder: &Ladder,
        policy: &mut dyn Policy,
        records: &mut Vec<(usize, Record)>,
    ) -> Turn {
        self.drop_late(now, records);
        let Some(&(_, first)) = self.waiting.front() else { return Turn::Idle };
        let most = self.batching.most.max(1);
        let until = first.arrival + self.batching.patience;
        if self.waiting.len() < most && now < until {
            return Turn::Wait(until);
        }
        self.running.clear();
        self.running.extend(self.waiting.drain(..most.min(self.waiting.len())));
        let seen = self.observe(now);
        self.rung = policy.decide(&seen, ladder).rung.min(ladder.last());
        self.started = now;
        Turn::Run(self.rung)
    }

    /// What ran is done, with these outcomes in the order of the batch; missing ones count as no answers.
    pub fn done(&mut self, now: Nanos, outcomes: &[Outcome], records: &mut Vec<(usize, Record)>) {
        let growth = self.batching.growth(self.running.len() as f64);
        self.finished = Some(Completion { rung: self.rung, took: part(now - self.started, growth) });
        let outcomes = outcomes.iter().copied().chain(std::iter::repeat(Outcome::default()));
        let (started, rung) = (self.started, self.rung);
        for ((number, request), outcome) in self.running.drain(..).zip(outcomes) {
            let Request { arrival, due } = request;
            records.push((number, Record { arrival, due, started, finished: Some(now), rung, outcome }));
        }
    }

    /// What ran is lost, and has no end.
    pub fn lost(&mut self, records: &mut Vec<(usize, Record)>) {
        let (started, rung, outcome) = (self.started, self.rung, Outcome::default());
        for (number, Request { arrival, due }) in self.running.drain(..) {
            records.push((number, Record { arrival, due, started, finished: None, rung, outcome }));
        }
    }

    /// The machine went away: what ran waits again, before all else.
    pub fn interrupt(&mut self) {
        while let Some(numbered) = self.running.pop() {
            self.waiting.push_front(numbered);
        }
    }

    fn drop_late(&mut self, now: Nanos, records: &mut Vec<(usize, Record)>) {
        let rung = self.rung;
        let most = self.batching.most.max(1);
        let mut kept = 0;
        while kept < most.min(self.waiting.len()) {
            let (number, Request { arrival, due }) = self.waiting[kept];
            if now < due {
                kept += 1;
                continue;
            }
            self.waiting.remove(kept);
            let outcome = Outcome::default();
            records.push((number, Record { arrival, due, started: now, finished: None, rung, outcome }));
        }
    }

    fn observe(&mut self, now: Nanos) -> Observation {
        let growth = self.batching.growth(self.running.len() as f64);
        let due = self.running.iter().map(|(_, request)| request.due).min().unwrap_or(now);
        let last = self.waiting.back().map_or(due, |(_, request)| request.due);
        Observation {
            now,
            remaining: part(due - now, growth),
            queued: self.waiting.len().div_ceil(self.batching.most.max(1)),
            remaining_of_last: part(last - now, growth),
            finished: self.finished.take(),
        }
    }
}

fn part(span: Nanos, growth: f64) -> Nanos {
    if growth == 1.0 { span } else { Nanos((span.0 as f64 / growth).round() as u64) }
}
