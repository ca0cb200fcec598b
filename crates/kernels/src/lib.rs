#![doc = include_str!("../README.md")]
pub mod error;
pub mod kernel;
pub mod kernels;

pub use error::Error;
pub use kernel::{Args, Kernel, Key};
