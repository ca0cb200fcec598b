//! Demands, budgets, menus, solvers, ladders and policies of Supple.
pub mod amounts;
pub mod demand;
pub mod drive;
pub mod error;
pub mod ladder;
pub mod menu;
pub mod plant;
pub mod policy;
pub mod solver;
pub mod time;

pub use amounts::{Amounts, Resource};
pub use demand::Demand;
pub use drive::{Record, Request};
pub use error::Error;
pub use ladder::{Ladder, Rung, Spread, Stamp};
pub use menu::{Menu, Offer};
pub use plant::{Job, Outcome, Plant};
pub use policy::{Completion, Decision, Observation, Policy};
pub use solver::{Answer, Proof, Shortfall, Solver};
pub use time::Nanos;
