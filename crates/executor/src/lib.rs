#![doc = include_str!("../README.md")]
mod adam;
mod blocks;
mod bridge;
pub mod capture;
pub mod device;
pub mod error;
pub mod executor;
mod families;
mod fuse;
mod import;
mod layers;
pub mod loss;
pub mod measure;
pub mod model_file;
mod recorded;
mod region;
pub mod scores;
mod tensor;
pub mod trainer;

pub use adam::AdamConfig;
pub use capture::capture;
pub use device::Backend;
pub use error::{Error, Result};
pub use executor::Executor;
pub use loss::{Batch, IGNORED, Score};
pub use model_file::{About, ModelFile};
pub use trainer::Trainer;
