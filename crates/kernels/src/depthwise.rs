//! The passes of a depthwise convolution, a plane at a time.
//!
//! A plane is laid out with its frame, so that the output's lines are one line, interrupted by a few places that nobody reads: all vectors but the
//! last are full, whatever the width.
mod forward;
mod input;
mod layout;
mod line;
mod weight;

pub(crate) use forward::Forward;
pub(crate) use input::BackwardInput;
pub(crate) use weight::BackwardWeight;
