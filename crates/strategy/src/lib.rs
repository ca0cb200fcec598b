//! Demands, budgets, menus, solvers, ladders and policies of Supple.
//!
//! A *policy* picks a rung of a *ladder* of measured settings for each piece of work; a *plant* runs it. Here the plant
//! is a machine that becomes three times slower halfway, and the policy gives up some accuracy rather than the
//! deadline:
//!
//! ```
//! use std::convert::Infallible;
//! use supple_graph::{Density, Kind, Setting};
//! use supple_strategy::policies::{Kalman, PolicyOptions};
//! use supple_strategy::{Amounts, Demand, Job, Ladder, Nanos, Outcome, Plant, Request, Rung, Spread, Stamp, drive};
//!
//! struct Machine { now: Nanos, ladder: Ladder, rung: usize }
//!
//! impl Plant for Machine {
//!     type Error = Infallible;
//!     fn now(&mut self) -> Nanos { self.now }
//!     fn wait(&mut self, when: Nanos) -> Result<(), Infallible> { self.now = self.now.max(when); Ok(()) }
//!     fn apply(&mut self, setting: &Setting) -> Result<(), Infallible> {
//!         self.rung = self.ladder.rungs().iter().position(|rung| rung.setting == *setting).unwrap_or(0);
//!         Ok(())
//!     }
//!     fn run(&mut self, _job: Job) -> Result<Outcome, Infallible> {
//!         let slowdown = if self.now < Nanos::from_seconds(2.0) { 1.0 } else { 3.0 };
//!         self.now = self.now + Nanos::from_seconds(slowdown * self.ladder.rungs()[self.rung].cost.seconds);
//!         Ok(Outcome { right: 1, of: 1 })
//!     }
//! }
//!
//! let rung = |per_mille: u16, seconds: f64, quality: f64| -> Result<Rung, Box<dyn std::error::Error>> {
//!     let density = Density::new(per_mille).ok_or("1 to 1000 per mille")?;
//!     let setting = Setting::uniform(&[Kind::ALL[0]], density);
//!     Ok(Rung { setting, cost: Amounts::of_seconds(seconds), service: Spread::of(vec![seconds])?, quality })
//! };
//! let rungs = vec![rung(1000, 0.020, 0.99)?, rung(500, 0.010, 0.97)?, rung(250, 0.005, 0.92)?];
//! let ladder = Ladder::new(Stamp::default(), rungs)?;
//!
//! let due = Nanos::from_seconds(0.040);
//! let arrivals = (0..80).map(|i| Nanos::from_seconds(0.05 * f64::from(i)));
//! let requests: Vec<Request> = arrivals.map(|arrival| Request { arrival, due: arrival + due }).collect();
//! let mut policy = Kalman::new(&PolicyOptions::default(), &Demand { deadline: Some(due), ..Demand::default() })?;
//! let mut plant = Machine { now: Nanos::ZERO, ladder: ladder.clone(), rung: 0 };
//!
//! let records = drive::serve(&mut plant, &requests, &ladder, &mut policy)?;
//! assert_eq!(records.len(), 80);
//! assert!(records[..40].iter().all(|record| record.rung == 0));
//! assert!(records[45..].iter().all(|record| record.rung > 0));
//! assert!(records.iter().filter(|record| record.missed()).count() <= 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
pub mod amounts;
pub mod break_even;
pub mod demand;
pub mod drive;
pub mod error;
pub mod forecast;
mod knapsack;
pub mod ladder;
pub mod learner;
pub mod menu;
pub mod normal;
pub mod plant;
pub mod policies;
pub mod policy;
pub mod profile;
pub mod request;
pub mod sensitivity;
pub mod server;
pub mod slowdown;
pub mod solver;
pub mod solvers;
pub mod time;

pub use amounts::{Amounts, Resource};
pub use break_even::{LayerTimes, Versus, break_even};
pub use demand::Demand;
pub use error::Error;
pub use forecast::Forecast;
pub use ladder::{Ladder, Rung, Spread, Stamp};
pub use learner::{Learner, Stint};
pub use menu::{Menu, Offer};
pub use plant::{Job, Outcome, Plant};
pub use policies::PolicyOptions;
pub use policy::{Changing, Completion, Decision, Observation, Policy};
pub use profile::{Entry, Profile};
pub use request::{Record, Request};
pub use sensitivity::{Pair, Proxy, Quality, Sensitivity};
pub use server::{Batching, Server, Turn};
pub use slowdown::Slowdown;
pub use solver::{Answer, Proof, Shortfall, Solver};
pub use time::Nanos;
