//! Memory and cache: resources that are held and not used up.
use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// Memory of which tasks hold a part while they run. More than is comfortable slows the machine down, as when it swaps; more than
/// there is kills tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes when the trace gives all.
    pub full: u64,
    /// How much of it there is over time.
    pub trace: Trace,
    /// Part of what there is that can be held without a slow-down.
    pub comfortable: f64,
    /// By how many times longer everything takes when all of it is held: with a part `u` held, the machine is `1 + slope (u -
    /// comfortable) / (1 - comfortable)` times slower.
    pub slope: f64,
}

impl Memory {
    /// Bytes that there are.
    pub fn limit(&self, now: Nanos) -> u64 {
        (self.full as f64 * self.trace.at(now)) as u64
    }

    /// Part of the machine's speed that is left when so many bytes are held: 1 without pressure.
    pub fn speed(&self, now: Nanos, held: u64) -> f64 {
        let limit = self.limit(now);
        let room = (1.0 - self.comfortable).max(f64::EPSILON);
        let part = if limit > 0 { held as f64 / limit as f64 } else { 1.0 };
        let pressure = ((part - self.comfortable) / room).clamp(0.0, 1.0);
        1.0 / (1.0 + self.slope.max(0.0) * pressure)
    }
}

/// A cache that tasks share in proportion to what they hold. What does not fit is fetched again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cache {
    /// Bytes when the trace gives all.
    pub full: u64,
    /// How much of it there is over time.
    pub trace: Trace,
    /// How many times more bytes a task moves when nothing of what it holds fits.
    pub reuse: f64,
}

impl Cache {
    /// How many times its bytes a task moves that begins when so many bytes are held, its own included.
    pub fn traffic(&self, now: Nanos, held: u64) -> f64 {
        let there = self.full as f64 * self.trace.at(now);
        let misses = if held > 0 { (1.0 - there / held as f64).max(0.0) } else { 0.0 };
        1.0 + self.reuse.max(0.0) * misses
    }
}
