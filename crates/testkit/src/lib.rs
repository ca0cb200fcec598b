//! Proptest generators and laws for policies and solvers of Supple: what an app tests its own with.
//!
//! A policy is anything that implements [`Policy`](supple_strategy::Policy), a plain closure included; so is a solver.
//! One call runs the laws on random ladders, menus and observations, and returns the first that is broken, with the
//! smallest case that breaks it:
//!
//! ```
//! use supple_strategy::{Decision, Ladder, Observation};
//! use supple_testkit::{PolicyLaws, check_policy};
//!
//! // Dense when alone, cheapest when somebody waits.
//! let polite = || {
//!     |seen: &Observation, ladder: &Ladder| Decision { rung: if seen.queued == 0 { 0 } else { ladder.last() } }
//! };
//! assert_eq!(check_policy(polite, PolicyLaws::default()), Ok(()));
//!
//! // The same policy promises no dwell, and the law tells how it would break one.
//! let broken = check_policy(polite, PolicyLaws { dwell: 4, ..PolicyLaws::default() });
//! assert!(broken.is_err_and(|text| text.contains("climbed")));
//! ```
//!
//! The generators are ordinary [proptest](https://docs.rs/proptest) strategies for an app's own laws:
//!
//! ```
//! use proptest::prelude::*;
//! use supple_strategy::{Solver, solvers::Greedy};
//! use supple_testkit::menus_with_budgets;
//!
//! proptest!(|((menu, budget) in menus_with_budgets())| {
//!     if let Ok(answer) = Greedy.solve(&menu, &budget) {
//!         prop_assert!(answer.price.within(&budget));
//!     }
//! });
//! ```
mod budgets;
mod elastic;
mod graphs;
mod ladders;
mod laws;
mod learning;
mod menus;
mod mix;
mod mixtures;
mod observations;
mod structures;
mod tokens;
mod traces;

pub use budgets::{budgets, menus_with_budgets};
pub use elastic::{ElasticCase, check_elastic, elastic_cases, elastic_cases_of};
pub use graphs::graphs;
pub use ladders::ladders;
pub use laws::{PolicyLaws, check_forecast, check_policy, check_solver, least_loss};
pub use learning::check_learning;
pub use menus::menus;
pub use mixtures::mixtures;
pub use observations::observations;
pub use tokens::{TokenCase, check_tokens, token_cases};
pub use traces::traces;
