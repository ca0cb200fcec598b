//! The laws of solvers, policies, ladders and the drive.
#[path = "laws/drive.rs"]
mod drive;
#[path = "laws/generators.rs"]
mod generators;
#[path = "laws/ladder.rs"]
mod ladder;
#[path = "laws/policies.rs"]
mod policies;
#[path = "laws/sensitivity.rs"]
mod sensitivity;
#[path = "laws/solvers.rs"]
mod solvers;
