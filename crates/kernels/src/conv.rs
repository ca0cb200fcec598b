//! The passes of a convolution.
mod forward;
mod geometry;
mod input;
mod jobs;
pub(crate) mod plain;
mod regions;
mod sums;
mod weight;

pub(crate) use forward::Forward;
pub(crate) use input::BackwardInput;
pub(crate) use weight::BackwardWeight;
