#![doc = include_str!("../README.md")]
pub mod bench;
pub mod error;
pub mod kernel;
pub mod kernels;
pub mod layer;
pub mod limits;
mod pool;
mod product;
mod simd;
mod tile;

pub use error::Error;
pub use kernel::{Args, Kernel, Key, Operands};
pub use layer::{Conv2d, Layer, Linear};
pub use limits::Limits;
