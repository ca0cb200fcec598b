//! The register tiles of sparse products: sums over the blocks of a row.
use crate::pattern::Blocks;
use crate::pool::LINE;
use crate::simd::multiply_add;
use pulp::Simd;
use std::ops::Range;

/// Calls `$tile` with constants for the tile's height and width.
macro_rules! sized {
    ($height:expr, $v:expr, $tile:ident::<S, _>($($argument:expr),*)) => {
        match ($height, $v) {
            (1, 1) => $tile::<S, _, 1, 1>($($argument),*),
            (1, 2) => $tile::<S, _, 1, 2>($($argument),*),
            (1, _) => $tile::<S, _, 1, 4>($($argument),*),
            (_, 1) if S::F32_LANES >= 16 => $tile::<S, _, 8, 1>($($argument),*),
            (_, 2) if S::F32_LANES >= 16 => $tile::<S, _, 8, 2>($($argument),*),
            (_, _) if S::F32_LANES >= 16 => $tile::<S, _, 8, 3>($($argument),*),
            (_, 1) => $tile::<S, _, 4, 1>($($argument),*),
            (_, 2) => $tile::<S, _, 4, 2>($($argument),*),
            (_, _) => $tile::<S, _, 4, 3>($($argument),*),
        }
    };
}

mod band;
mod correlate;
mod source;

pub(crate) use band::Band;
pub(crate) use correlate::{Outputs, correlate};
pub(crate) use source::{Elements, Shifted, Source, Target, Write};

/// Outputs that a tile sums at a time: what fits the registers beside the operands.
#[inline(always)]
pub(crate) fn tile_height<S: Simd>(height: usize) -> usize {
    match height {
        1 => 1,
        _ if S::F32_LANES >= 16 => 8,
        _ => 4,
    }
}

/// The widest tile of at most `vectors` vectors for blocks of this height. Single outputs take more, so that their sums hide the latency of the
/// multiply-add.
#[inline(always)]
pub(crate) fn tile_width(height: usize, vectors: usize) -> usize {
    match (height, vectors) {
        (1, 4..) => 4,
        (1, 2..) => 2,
        (1, _) => 1,
        (_, 4) => 2,
        (_, few) => few.min(3),
    }
}

/// [`tile_width`] for [`gather`]: with 16 registers, three vectors of four sums each leave none for the operands that the compiler loads ahead.
#[inline(always)]
pub(crate) fn gather_width<S: Simd>(height: usize, vectors: usize) -> usize {
    let width = tile_width(height, vectors);
    if height > 1 && S::REGISTER_COUNT < 32 { width.min(2) } else { width }
}

/// The tiles of a line of whole vectors, each as wide as `widest` says for the vectors that are left: where it begins, and its vectors.
#[inline(always)]
pub(crate) fn tiles<S: Simd>(length: usize, widest: impl Fn(usize) -> usize) -> Vec<(usize, usize)> {
    let mut tiles = Vec::new();
    let mut at = 0;
    while at < length {
        let vectors = widest((length - at) / S::F32_LANES);
        tiles.push((at, vectors));
        at += vectors * S::F32_LANES;
    }
    tiles
}

/// Vectors of the widest tile.
pub(crate) const WIDEST: usize = 4;

/// Asks for the cache lines of `to`, which will be written soon, where the machine can be asked.
#[inline(always)]
pub(crate) fn prefetch(to: &[f32]) {
    for element in to.iter().step_by(LINE).chain(to.last()) {
        ask_for(element);
    }
}

/// Asks for the cache lines of a range of elements but the first of them, where those before have been asked for.
#[inline(always)]
pub(crate) fn prefetch_after(of: &[f32], range: Range<usize>) {
    for element in of[range].iter().skip(LINE - 1).step_by(LINE) {
        ask_for(element);
    }
}

/// Asks for the cache line of an element, where the machine can be asked.
#[inline(always)]
fn ask_for(element: &f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and SSE is part of the architecture.
        #[expect(unsafe_code, reason = "there is no safe prefetch")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(element).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = element;
}

/// One row of blocks.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    positions: &'a [u16],
    greatest: usize,
    height: usize,
}

impl<'a> Row<'a> {
    /// Row `row` of `blocks`.
    pub fn new(blocks: &Blocks<'a>, row: usize) -> Self {
        Self { positions: blocks.row(row), greatest: blocks.greatest(), height: blocks.height() }
    }

    /// Some of its blocks.
    pub fn some(self, range: Range<usize>) -> Self {
        Self { positions: &self.positions[range], ..self }
    }

    /// [`Source::fits`] for its positions; panics too when it has more blocks than there are weights for.
    #[inline(always)]
    fn fits<S: Simd>(&self, source: impl Source<S>, at: usize, band: Band, values: usize) -> usize {
        assert!(values >= self.positions.len() * self.height, "values are too few");
        source.fits((!self.positions.is_empty()).then_some(self.greatest), at, band)
    }
}

/// `sums[r * stride + p] = start[r] + sum over blocks j of values[j, r] * (what j sees at + p)`, for all outputs r of the row and p below `v` vectors.
///
/// # Panics
/// When a position lies outside its source.
#[inline(always)]
pub(crate) fn gather<S: Simd, F: Source<S>>(
    simd: S,
    row: Row<'_>,
    (source, at): (F, usize),
    values: &[f32],
    start: &[f32],
    (sums, stride, v): (&mut [f32], usize, usize),
) {
    let h = tile_height::<S>(row.height);
    let output = row.fits(source, at, Band::line(v * S::F32_LANES), values.len());
    let fits = start.len() >= row.height && sums.len() >= (row.height - 1) * stride + output;
    assert!(v == gather_width::<S>(row.height, v) && fits, "sums are too short");
    for first in (0..row.height).step_by(h) {
        // SAFETY: `h` divides the height, so that `first + h` outputs are within every block, `start` and `sums`; the row's positions fit
        // (asserted above).
        #[expect(unsafe_code, reason = "bounds are checked once a tile")]
        unsafe {
            let (values, start) = (values.as_ptr().add(first), start.as_ptr().add(first));
            let sums = sums.as_mut_ptr().add(first * stride);
            sized!(row.height, v, gather_tile::<S, _>(simd, row, (source, at), values, start, (sums, stride)));
        }
    }
}

/// # Safety
/// The row's positions fit the source for `V` vectors from `at` on; `values` has `H` weights of every block, `start` `H` elements, `sums` the pixels
/// that there are of `V` vectors at each of `H` strides.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn gather_tile<S: Simd, F: Source<S>, const H: usize, const V: usize>(
    simd: S,
    row: Row<'_>,
    (source, at): (F, usize),
    mut values: *const f32,
    start: *const f32,
    (sums, stride): (*mut f32, usize),
) {
    // SAFETY: the caller's promise, for each pointer.
    unsafe {
        let mut sum = [[simd.splat_f32s(0.0); V]; H];
        for r in 0..H {
            sum[r] = [simd.splat_f32s(*start.add(r)); V];
        }
        for &position in row.positions {
            let place = source.place(position, at);
            let mut x = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                x[v] = source.load(simd, place, 0, v * S::F32_LANES);
            }
            for r in 0..H {
                let w = simd.splat_f32s(*values.add(r));
                for v in 0..V {
                    sum[r][v] = multiply_add(simd, w, x[v], sum[r][v]);
                }
            }
            values = values.wrapping_add(row.height);
        }
        for r in 0..H {
            for v in 0..V {
                let p = v * S::F32_LANES;
                source.store_output(simd, sums.wrapping_add(r * stride), at, p, sum[r][v]);
            }
        }
    }
}

/// `(what j sees at + p) += sum over outputs r of values[j, r] * outputs[r * stride + p]` for all blocks j and p below `v` vectors.
///
/// # Panics
/// When a position lies outside its target.
#[inline(always)]
pub(crate) fn scatter<S: Simd, T: Target<S>>(
    simd: S,
    row: Row<'_>,
    (target, at, v): (T, usize, usize),
    values: &[f32],
    (outputs, stride): (&[f32], usize),
) {
    let h = tile_height::<S>(row.height);
    let output = row.fits(target, at, Band::line(v * S::F32_LANES), values.len());
    assert!(
        v == tile_width(row.height, v) && outputs.len() >= (row.height - 1) * stride + output,
        "outputs are too short"
    );
    for first in (0..row.height).step_by(h) {
        // SAFETY: as in `gather`; the pixels that there are at each of `first + h` strides are within `outputs`.
        #[expect(unsafe_code, reason = "bounds are checked once a tile")]
        unsafe {
            let outputs = outputs.as_ptr().add(first * stride);
            let values = values.as_ptr().add(first);
            sized!(row.height, v, scatter_tile::<S, _>(simd, row, (target, at), values, outputs, stride));
        }
    }
}

/// # Safety
/// The row's positions fit the target for `V` vectors from `at` on; `values` has `H` weights of every block, `outputs` the pixels that there are of `V`
/// vectors at each of `H` strides.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn scatter_tile<S: Simd, T: Target<S>, const H: usize, const V: usize>(
    simd: S,
    row: Row<'_>,
    (target, at): (T, usize),
    mut values: *const f32,
    outputs: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise, for each pointer.
    unsafe {
        let mut output = [[simd.splat_f32s(0.0); V]; H];
        for r in 0..H {
            for v in 0..V {
                let p = v * S::F32_LANES;
                output[r][v] = target.load_output(simd, outputs.wrapping_add(r * stride), at, p);
            }
        }
        for &position in row.positions {
            let place = target.place(position, at);
            let mut sum = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                sum[v] = target.load(simd, place, 0, v * S::F32_LANES);
            }
            for r in 0..H {
                let w = simd.splat_f32s(*values.add(r));
                for v in 0..V {
                    sum[v] = multiply_add(simd, w, output[r][v], sum[v]);
                }
            }
            for v in 0..V {
                target.store(simd, place, v * S::F32_LANES, sum[v]);
            }
            values = values.wrapping_add(row.height);
        }
    }
}
