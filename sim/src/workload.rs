//! The contract of a workload: when work arrives, and how much.
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// A request that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// When.
    pub at: Nanos,
    /// How much work it is, in the pieces that the ladder was measured with.
    pub size: f64,
}

impl Arrival {
    /// One piece of work at this time.
    pub fn at(at: Nanos) -> Self {
        Self { at, size: 1.0 }
    }
}

/// A stream of arrivals, made one by one, so that a long one needs no memory.
///
/// A closure is one: `|| Some(Arrival::at(...))`.
pub trait Workload {
    /// The next arrival, not before the one before it; `None` when there is none any more.
    fn next(&mut self) -> Option<Arrival>;
}

impl<F: FnMut() -> Option<Arrival>> Workload for F {
    fn next(&mut self) -> Option<Arrival> {
        self()
    }
}
