//! The contract of a policy.
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
}

impl<F: FnMut(&Observation, &Ladder) -> Decision> Policy for F {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        self(seen, ladder)
    }
}
