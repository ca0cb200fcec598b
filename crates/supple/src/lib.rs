#![doc = include_str!("../README.md")]
pub mod calibration;
pub mod commands;
pub mod drawing;
pub mod gauge;
pub mod hog;
pub mod ladders;
pub mod live;
pub mod machine;
pub mod model;
pub mod options;
pub mod peak;
pub mod samples;
pub mod sensitivity;
pub mod shares;
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

/// Allocations of this process so far, in a program whose global allocator is `stats_alloc`'s; zero in any other.
pub fn allocations() -> usize {
    stats_alloc::INSTRUMENTED_SYSTEM.stats().allocations
}
