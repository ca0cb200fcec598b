//! The contract of a policy.
use crate::demand::Demand;
use crate::ladder::Ladder;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// A finished piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The rung it ran on.
    pub rung: usize,
    /// How long it took, start to end.
    pub took: Nanos,
}

/// What a policy sees when a piece of work (a request, a training step) is about to start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Time since the start of the run.
    pub now: Nanos,
    /// Time left for this piece of work.
    pub remaining: Nanos,
    /// Pieces of work waiting behind it.
    pub queued: usize,
    /// Time left for the last of those; equals `remaining` when none waits.
    pub remaining_of_last: Nanos,
    /// The piece of work that finished since the last decision, if any.
    pub finished: Option<Completion>,
}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Index of the rung to run on.
    pub rung: usize,
}

/// Picks a rung from what it sees. Without clock and without I/O: the same object runs live and in the simulator.
pub trait Policy {
    /// The rung for the piece of work about to start.
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision;

    /// From the next decision on, the user wants this. A policy that does not go by a demand need not listen.
    fn wants(&mut self, _demand: &Demand) {}
}

impl Policy for Box<dyn Policy> {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        (**self).decide(seen, ladder)
    }

    fn wants(&mut self, demand: &Demand) {
        (**self).wants(demand);
    }
}

/// A policy that is told each new demand when its time has come.
pub struct Changing<'a> {
    policy: &'a mut dyn Policy,
    changes: Vec<(Nanos, Demand)>,
    told: usize,
}

impl<'a> Changing<'a> {
    /// `policy` under demands that change at these times, ascending.
    pub fn new(policy: &'a mut dyn Policy, changes: Vec<(Nanos, Demand)>) -> Self {
        Self { policy, changes, told: 0 }
    }
}

impl Policy for Changing<'_> {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        while let Some((_, demand)) = self.changes.get(self.told).filter(|(when, _)| *when <= seen.now) {
            self.policy.wants(demand);
            self.told += 1;
        }
        self.policy.decide(seen, ladder)
    }

    fn wants(&mut self, demand: &Demand) {
        self.policy.wants(demand);
    }
}

impl<F: FnMut(&Observation, &Ladder) -> Decision> Policy for F {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        self(seen, ladder)
    }
}
