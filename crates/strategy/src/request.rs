//! What is asked of a plant, and what became of it.
use crate::plant::Outcome;
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// A request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When it arrives.
    pub arrival: Nanos,
    /// When its answer is due.
    pub due: Nanos,
}

/// What became of one piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it arrived.
    pub arrival: Nanos,
    /// When it was due.
    pub due: Nanos,
    /// When work on it began; when it was dropped, for a dropped one.
    pub started: Nanos,
    /// When it ended; `None` for a request that was dropped because it was already past due.
    pub finished: Option<Nanos>,
    /// The rung it ran on, or, for a dropped one, the rung that was set.
    pub rung: usize,
    /// Right answers among its answers.
    pub outcome: Outcome,
}

impl Record {
    /// Whether no answer came in time.
    pub fn missed(&self) -> bool {
        self.finished.is_none_or(|end| end > self.due)
    }
}
