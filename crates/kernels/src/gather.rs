//! The register tiles of sparse products: sums over the blocks of a row, and the only file besides `tile.rs` with raw pointers.
use crate::pattern::Blocks;
use crate::pool::LINE;
use crate::simd::multiply_add;
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

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

/// Vectors of the widest tile.
pub(crate) const WIDEST: usize = 4;

/// Asks for the cache lines of `to`, which will be written soon, where the machine can be asked.
#[inline(always)]
pub(crate) fn prefetch(to: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for element in to.iter().step_by(LINE).chain(to.last()) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and SSE is part of the architecture.
        #[expect(unsafe_code, reason = "there is no safe prefetch")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(element).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = to;
}

/// One row of blocks, and where its operands lie.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    positions: &'a [u16],
    offsets: Indices<'a>,
    height: usize,
}

impl<'a> Row<'a> {
    /// Row `row` of `blocks`, whose positions lie as far from a pixel as `offsets` says.
    ///
    /// # Panics
    /// When there are positions without an offset.
    pub fn new(blocks: &Blocks<'a>, row: usize, offsets: Indices<'a>) -> Self {
        let positions = blocks.row(row);
        assert!(positions.is_empty() || blocks.greatest() < offsets.len(), "a position without an offset");
        Self { positions, offsets, height: blocks.height() }
    }

    /// Some of its blocks.
    pub fn some(self, range: Range<usize>) -> Self {
        Self { positions: &self.positions[range], ..self }
    }

    /// Whether a tile of `width` pixels from `at` on lies within `planes`, and its weights within `values`.
    fn assert_fits(&self, planes: usize, at: usize, width: usize, values: usize) {
        assert!(self.positions.is_empty() || at + self.offsets.greatest() + width <= planes, "planes are too short");
        assert!(values >= self.positions.len() * self.height, "values are too few");
    }
}

/// Calls `$tile` with constants for the tile's height and width.
macro_rules! sized {
    ($height:expr, $v:expr, $tile:ident::<S>($($argument:expr),*)) => {
        match ($height, $v) {
            (1, 1) => $tile::<S, 1, 1>($($argument),*),
            (1, 2) => $tile::<S, 1, 2>($($argument),*),
            (1, _) => $tile::<S, 1, 4>($($argument),*),
            (_, 1) if S::F32_LANES >= 16 => $tile::<S, 8, 1>($($argument),*),
            (_, 2) if S::F32_LANES >= 16 => $tile::<S, 8, 2>($($argument),*),
            (_, _) if S::F32_LANES >= 16 => $tile::<S, 8, 3>($($argument),*),
            (_, 1) => $tile::<S, 4, 1>($($argument),*),
            (_, 2) => $tile::<S, 4, 2>($($argument),*),
            (_, _) => $tile::<S, 4, 3>($($argument),*),
        }
    };
}

/// `sums[r * stride + p] = start[r] + sum over blocks j of values[j, r] * planes[at + offset of j + p]`, for all outputs r of the row and p below `v` vectors.
///
/// # Panics
/// When a position lies outside its slice.
#[inline(always)]
pub(crate) fn gather<S: Simd>(
    simd: S,
    row: Row<'_>,
    (planes, at): (&[f32], usize),
    values: &[f32],
    start: &[f32],
    (sums, stride, v): (&mut [f32], usize, usize),
) {
    let (h, width) = (tile_height::<S>(row.height), v * S::F32_LANES);
    row.assert_fits(planes.len(), at, width, values.len());
    let fits = start.len() >= row.height && sums.len() >= (row.height - 1) * stride + width;
    assert!(v == gather_width::<S>(row.height, v) && fits, "sums are too short");
    for first in (0..row.height).step_by(h) {
        // SAFETY: `h` divides the height, so that `first + h` outputs are within every block, `start` and `sums`. Every position has an offset
        // (asserted by `Row::new`), and a tile from it on lies within `planes` (asserted above).
        #[expect(unsafe_code, reason = "bounds are checked once a tile")]
        unsafe {
            let planes = planes.as_ptr().add(at);
            let (values, start) = (values.as_ptr().add(first), start.as_ptr().add(first));
            let sums = sums.as_mut_ptr().add(first * stride);
            sized!(row.height, v, gather_tile::<S>(simd, row, planes, values, start, (sums, stride)));
        }
    }
}

/// # Safety
/// A tile of `V` vectors from every position of the row on lies in `planes`; `H` weights of every block in `values`, `H` elements in `start`,
/// `V` vectors at each of `H` strides in `sums`.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn gather_tile<S: Simd, const H: usize, const V: usize>(
    simd: S,
    row: Row<'_>,
    planes: *const f32,
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
            let from = planes.add(row.offsets.at_unchecked(position.into())).cast::<S::f32s>();
            let mut x = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                x[v] = from.add(v).read_unaligned();
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
                sums.add(r * stride).cast::<S::f32s>().add(v).write_unaligned(sum[r][v]);
            }
        }
    }
}

/// `planes[at + offset of j + p] += sum over outputs r of values[j, r] * outputs[r * stride + p]` for all blocks j and p below `v` vectors.
///
/// # Panics
/// When a position lies outside its slice.
#[inline(always)]
pub(crate) fn scatter<S: Simd>(
    simd: S,
    row: Row<'_>,
    (planes, at, v): (&mut [f32], usize, usize),
    values: &[f32],
    (outputs, stride): (&[f32], usize),
) {
    let (h, width) = (tile_height::<S>(row.height), v * S::F32_LANES);
    row.assert_fits(planes.len(), at, width, values.len());
    assert!(
        v == tile_width(row.height, v) && outputs.len() >= (row.height - 1) * stride + width,
        "outputs are too short"
    );
    for first in (0..row.height).step_by(h) {
        // SAFETY: as in `gather`; a tile at each of `first + h` strides is within `outputs`.
        #[expect(unsafe_code, reason = "bounds are checked once a tile")]
        unsafe {
            let planes = planes.as_mut_ptr().add(at);
            let outputs = outputs.as_ptr().add(first * stride);
            let values = values.as_ptr().add(first);
            sized!(row.height, v, scatter_tile::<S>(simd, row, planes, values, outputs, stride));
        }
    }
}

/// # Safety
/// A tile of `V` vectors from every position of the row on lies in `planes`; `H` weights of every block in `values`; `V` vectors at each of
/// `H` strides in `outputs`.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn scatter_tile<S: Simd, const H: usize, const V: usize>(
    simd: S,
    row: Row<'_>,
    planes: *mut f32,
    mut values: *const f32,
    outputs: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise, for each pointer.
    unsafe {
        let mut output = [[simd.splat_f32s(0.0); V]; H];
        for r in 0..H {
            for v in 0..V {
                output[r][v] = outputs.add(r * stride).cast::<S::f32s>().add(v).read_unaligned();
            }
        }
        for &position in row.positions {
            let to = planes.add(row.offsets.at_unchecked(position.into())).cast::<S::f32s>();
            let mut sum = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                sum[v] = to.add(v).read_unaligned();
            }
            for r in 0..H {
                let w = simd.splat_f32s(*values.add(r));
                for v in 0..V {
                    sum[v] = multiply_add(simd, w, output[r][v], sum[v]);
                }
            }
            for v in 0..V {
                to.add(v).write_unaligned(sum[v]);
            }
            values = values.wrapping_add(row.height);
        }
    }
}

/// Lines of pixels that gradients are summed over.
#[derive(Clone, Copy)]
pub(crate) struct Band {
    /// Lines, and elements of each: a whole number of vectors.
    pub lines: usize,
    pub length: usize,
    /// Elements from one line to the next, of the input and of the output.
    pub steps: [usize; 2],
}

impl Band {
    /// A single line.
    pub fn line(length: usize) -> Self {
        Self { lines: 1, length, steps: [0, 0] }
    }

    /// Elements from the first to the last, of the input and of the output.
    fn spans(&self) -> [usize; 2] {
        self.steps.map(|step| (self.lines - 1) * step + self.length)
    }
}

/// `gradients[j, r] += sum over pixels p of the band of outputs[r * stride + p] * planes[at + offset of j + p]` for all blocks j and outputs r.
///
/// # Panics
/// When a position lies outside its slice, or there is no line.
#[inline(always)]
pub(crate) fn correlate<S: Simd>(
    simd: S,
    row: Row<'_>,
    (planes, at): (&[f32], usize),
    band: Band,
    gradients: &mut [f32],
    (outputs, stride): (&[f32], usize),
) {
    let h = tile_height::<S>(row.height);
    let [input, output] = band.spans();
    row.assert_fits(planes.len(), at, input, gradients.len());
    assert!(outputs.len() >= (row.height - 1) * stride + output, "outputs are too short");
    for first in (0..row.height).step_by(h) {
        let mut j = 0;
        while j < row.positions.len() {
            let together = tile_width(row.height, row.positions.len() - j);
            // SAFETY: as in `gather`; `j + together` blocks are in the row and their values in `gradients`; a band at each of `first + h` strides is
            // within `outputs`.
            #[expect(unsafe_code, reason = "bounds are checked once a row")]
            unsafe {
                let planes = planes.as_ptr().add(at);
                let outputs = outputs.as_ptr().add(first * stride);
                let gradients = gradients.as_mut_ptr().add(j * row.height + first);
                sized!(
                    row.height,
                    together,
                    correlate_tile::<S>(simd, (row, j), planes, gradients, (outputs, stride), band)
                );
            }
            j += together;
        }
    }
}

/// # Safety
/// `J` blocks from `j` on are in the row; the band from each of their positions on lies in `planes`; `H` gradients of each in `gradients`; the band at
/// each of `H` strides in `outputs`.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn correlate_tile<S: Simd, const H: usize, const J: usize>(
    simd: S,
    (row, j): (Row<'_>, usize),
    planes: *const f32,
    gradients: *mut f32,
    (outputs, stride): (*const f32, usize),
    band: Band,
) {
    // SAFETY: the caller's promise, for each pointer.
    unsafe {
        let mut from = [planes; J];
        for i in 0..J {
            let position = *row.positions.get_unchecked(j + i);
            from[i] = planes.add(row.offsets.at_unchecked(position.into()));
        }
        let mut sum = [[simd.splat_f32s(0.0); H]; J];
        for line in 0..band.lines {
            let outputs = outputs.add(line * band.steps[1]);
            let skip = line * band.steps[0];
            for p in (0..band.length).step_by(S::F32_LANES) {
                let mut x = [simd.splat_f32s(0.0); J];
                for i in 0..J {
                    x[i] = from[i].add(skip + p).cast::<S::f32s>().read_unaligned();
                }
                for r in 0..H {
                    let y = outputs.add(r * stride + p).cast::<S::f32s>().read_unaligned();
                    for i in 0..J {
                        sum[i][r] = multiply_add(simd, x[i], y, sum[i][r]);
                    }
                }
            }
        }
        for i in 0..J {
            for r in 0..H {
                *gradients.add(i * row.height + r) += simd.reduce_sum_f32s(sum[i][r]);
            }
        }
    }
}
