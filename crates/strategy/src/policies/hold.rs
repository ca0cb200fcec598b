//! The null policy.
use crate::ladder::Ladder;
use crate::policy::{Decision, Observation, Policy};

/// Stays on one rung, whatever happens; the default is the dense one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// The rung, from 0; beyond the ladder it is the cheapest.
    pub rung: usize,
}

impl Policy for Hold {
    fn decide(&mut self, _seen: &Observation, ladder: &Ladder) -> Decision {
        Decision { rung: self.rung.min(ladder.last()) }
    }
}
