//! The contract of a router: which of several machines takes a request.
use serde::{Deserialize, Serialize};

/// What a router sees of a machine that serves the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Requests for the model that wait there.
    pub waiting: usize,
    /// Those that run there.
    pub running: usize,
    /// The share of its processor that is there now.
    pub share: f64,
    /// Whether it is away.
    pub away: bool,
}

/// Picks a machine for each request. A closure `|loads: &[Load]| 0` is one.
pub trait Router {
    /// The index of the machine that takes the request; beyond the last it is the last.
    fn route(&mut self, loads: &[Load]) -> usize;
}

impl<F: FnMut(&[Load]) -> usize> Router for F {
    fn route(&mut self, loads: &[Load]) -> usize {
        self(loads)
    }
}
