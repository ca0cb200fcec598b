//! Where there is least to do.
use crate::router::{Load, Router};
use serde::{Deserialize, Serialize};

/// The machine with the fewest requests for its share, the new one included; the first among equals. Those that are away, or have no
/// share, come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeastLoaded;

impl Router for LeastLoaded {
    fn route(&mut self, loads: &[Load]) -> usize {
        let cost = |load: &Load| {
            let share = if load.away { 0.0 } else { load.share };
            (load.waiting + load.running + 1) as f64 / share.max(1e-9)
        };
        let least = loads.iter().enumerate().min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)));
        least.map_or(0, |(i, _)| i)
    }
}
