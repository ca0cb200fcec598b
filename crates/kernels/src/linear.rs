//! The passes of a linear layer.
mod few;
mod forward;
mod input;
mod weight;

pub(crate) use few::ColumnSums;
pub(crate) use forward::Forward;
pub(crate) use input::BackwardInput;
pub(crate) use weight::BackwardWeight;

use pulp::Simd;
use std::ops::Range;

/// Up to so many rows, every weight is used once or twice: rows of W are streamed, and there are no tiles.
const FEW: usize = 4;
/// Up to so many rows, weights are read where they lie: each is used too seldom to be worth a copy.
const SOME: usize = 16;

/// `first, first + step, ..`.
fn steps(range: Range<usize>, step: usize) -> Vec<u32> {
    range.map(|i| (i * step) as u32).collect()
}

/// Columns of a panel, for so many in all.
pub(crate) fn panel_width<S: Simd>(columns: usize) -> usize {
    if columns <= S::F32_LANES { S::F32_LANES } else { 2 * S::F32_LANES }
}
