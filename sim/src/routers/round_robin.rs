//! One after another.
use crate::router::{Load, Router};
use serde::{Deserialize, Serialize};

/// The machines one after another; those that are away are passed over, unless all are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundRobin {
    next: usize,
}

impl Router for RoundRobin {
    fn route(&mut self, loads: &[Load]) -> usize {
        let machines = loads.len().max(1);
        let first = self.next % machines;
        let mut turns = (0..machines).map(|i| (first + i) % machines);
        let picked = turns.find(|&i| loads.get(i).is_some_and(|load| !load.away)).unwrap_or(first);
        self.next = picked + 1;
        picked
    }
}
