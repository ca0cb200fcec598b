//! Discrete-event simulator of moving resources: it drives the policies of `supple-strategy` in virtual time.
//!
//! A [`Scenario`] says how the share of the processor moves, what load arrives and what is wanted. A
//! [`Ladder`](supple_strategy::Ladder) says what each setting costs. [`simulate()`] lets a policy, the same object that
//! drives the live executor, serve the load on a [`SimulatedDevice`].
//!
//! ```
//! use supple_graph::{Choice, Density, Kind, Setting, kinds::Channel};
//! use supple_sim::{Report, Scenario, simulate};
//! use supple_strategy::{Amounts, Decision, Ladder, Observation, Rung, Spread, Stamp, policies::Hold};
//!
//! fn rung(density: u16, seconds: f64, quality: f64) -> Result<Rung, Box<dyn std::error::Error>> {
//!     let density = Density::new(density).ok_or("a density")?;
//!     let setting = Setting::new(vec![Choice { kind: Kind::Channel(Channel), density }]);
//!     let service = Spread::of(vec![0.9 * seconds, seconds, 1.2 * seconds])?;
//!     Ok(Rung { setting, cost: Amounts::of_seconds(seconds), service, quality })
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rungs = vec![rung(1000, 0.020, 0.98)?, rung(500, 0.010, 0.96)?, rung(250, 0.005, 0.92)?];
//! let ladder = Ladder::new(Stamp::default(), rungs)?;
//! let scenario = Scenario::parse(
//!     r#"
//!     name = "dip"
//!     seed = 7
//!     duration_s = 9.0
//!     [trace]
//!     steps = [[0.0, 1.0], [3.0, 0.25], [6.0, 1.0]]
//!     "#,
//!     "dip.toml",
//! )?;
//! let trace = scenario.trace()?;
//!
//! let mut urgent = |seen: &Observation, _: &Ladder| Decision { rung: if seen.queued > 0 { 2 } else { 1 } };
//! let runs = vec![
//!     simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold")?,
//!     simulate(&scenario, &ladder, &trace, &mut urgent, "urgent")?,
//! ];
//! assert!(runs[1].missed < runs[0].missed);
//! println!("{}", Report::new(&scenario, runs).table());
//! # Ok(())
//! # }
//! ```
mod actor;
pub mod any_scenario;
mod arrivals;
mod attained;
pub mod cases;
mod chance;
#[cfg(feature = "full")]
pub mod columns;
pub mod combinator;
pub mod combinators;
pub mod device;
pub mod error;
pub mod event;
pub mod events;
pub mod fidelity;
pub mod fleet;
pub mod format;
pub mod formats;
pub mod generator;
pub mod generators;
pub mod heap;
mod json;
pub mod library;
pub mod limits;
pub mod load_table;
pub mod machine;
pub mod measurements;
pub mod mechanism;
pub mod note;
pub mod oracle;
mod origin;
mod place;
pub mod quantiles;
pub mod random;
pub mod records;
pub mod report;
pub mod resource;
pub mod resources;
pub mod router;
pub mod routers;
pub mod samples;
pub mod scenario;
pub mod shrinkage;
pub mod simulate;
pub mod space;
pub mod speeds;
pub mod stage;
mod stamps;
pub mod station;
pub mod supply;
#[cfg(feature = "full")]
pub mod sweep;
pub mod tables;
pub mod text;
pub mod timing;
pub mod trace;
pub mod unit;
pub mod watch;
mod watched;
pub mod workload;
pub mod workloads;
pub mod world;

pub use actor::{Service, Training};
pub use any_scenario::AnyScenario;
pub use chance::Chance;
pub use device::SimulatedDevice;
pub use error::Error;
pub use event::{EventId, EventQueue};
pub use events::Events;
pub use fleet::Fleet;
pub use fleet::scenario::FleetScenario;
pub use fleet::stage::{Driven, FleetStage};
pub use format::{Content, ReadOptions, Source, TraceFormat};
pub use machine::{Machine, Task};
pub use measurements::Measurements;
pub use mechanism::Mechanism;
pub use note::{Note, Noted};
pub use oracle::{best_found, hindsight, hindsight_training};
pub use quantiles::Quantiles;
#[cfg(feature = "full")]
pub use report::write_atomically;
pub use report::{MachineRun, PlantName, Report, Run, TrainingRun};
pub use resource::{Capacity, JobId, Resource, Work};
pub use router::{Load, Router};
pub use scenario::Scenario;
pub use simulate::{simulate, simulate_training};
pub use space::{Cache, Memory};
pub use speeds::{Look, Looks, Speeds};
pub use stage::Stage;
pub use station::{Sizes, Station};
pub use supply::Supply;
pub use timing::{Calibration, Cold, Gauge, Timing};
pub use trace::{End, Trace};
pub use unit::Unit;
pub use watch::{Allowance, Watch};
pub use workload::{Arrival, Workload};
pub use world::{Agenda, Limits, Model, StopReason, World};
