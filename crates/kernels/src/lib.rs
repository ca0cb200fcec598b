#![doc = include_str!("../README.md")]
pub mod bench;
mod conv;
mod depthwise;
pub mod error;
mod gather;
pub mod kernel;
pub mod kernels;
pub mod layer;
pub mod limits;
mod linear;
mod matrix;
pub mod pack;
pub mod pattern;
mod planes;
mod pool;
mod product;
mod simd;
mod sparse;
mod tile;
pub mod top;
mod transpose;

pub use error::Error;
pub use kernel::{Args, Kernel, Key, Operands};
pub use layer::{Conv1d, Conv2d, Layer, Linear};
pub use limits::Limits;
pub use pack::{Order, Pack};
pub use pattern::{Active, Blocks, Format, Pattern};
