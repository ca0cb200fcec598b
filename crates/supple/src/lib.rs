#![doc = include_str!("../README.md")]
pub mod commands;
pub mod ladders;
pub mod live;
pub mod machine;
pub mod model;
pub mod options;
pub mod samples;
pub mod stop;
pub mod throttle;
pub mod training;

pub use model::Model;
pub use supple_executor as executor;
pub use supple_graph as graph;
pub use supple_kernels as kernels;
pub use supple_models as models;
pub use supple_sim as sim;
pub use supple_strategy as strategy;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

/// Counts allocations, so that `bench switch` can show that a switch makes none.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations of this process so far.
pub fn allocations() -> usize {
    ALLOCATOR.stats().allocations
}
