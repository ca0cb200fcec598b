//! The register tiles of sparse products: sums over the blocks of a row.
use crate::pattern::Blocks;
use crate::pool::LINE;
use crate::simd::multiply_add;
use pulp::Simd;
use std::ops::Range;

mod source;

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
                source.store_output(simd, sums.wrapping_add(r * stride + p), at + p, sum[r][v]);
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
                output[r][v] = target.load_output(simd, outputs.wrapping_add(r * stride + p), at + p);
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
        self.skipped().map(|skipped| skipped + self.length)
    }

    /// Elements from the first line to the last, of the input and of the output.
    ///
    /// # Panics
    /// When there is no line.
    pub fn skipped(&self) -> [usize; 2] {
        assert!(self.lines > 0, "a band without a line");
        self.steps.map(|step| (self.lines - 1) * step)
    }
}

/// How the outputs of a row of blocks lie that gradients are summed over.
#[derive(Clone, Copy)]
pub(crate) enum Outputs<'a> {
    /// Each in lines of its own, so many elements after the one before.
    Strided(&'a [f32], usize),
    /// A vector of each, then the next vector of each; lines after another.
    Packed(&'a [f32]),
}

/// `gradients[j, r] += sum over pixels p of the band of outputs[r, p] * (what j sees at + p)` for all blocks j and outputs r.
///
/// # Panics
/// When a position lies outside its source, or there is no line.
#[inline(always)]
pub(crate) fn correlate<S: Simd, F: Source<S>>(
    simd: S,
    row: Row<'_>,
    (source, at): (F, usize),
    band: Band,
    gradients: &mut [f32],
    outputs: Outputs<'_>,
) {
    let h = tile_height::<S>(row.height);
    row.fits(source, at, band, gradients.len());
    let fits = match outputs {
        Outputs::Strided(outputs, stride) => outputs.len() >= (row.height - 1) * stride + band.spans()[1],
        Outputs::Packed(outputs) => outputs.len() >= band.lines * band.length * row.height,
    };
    assert!(fits && band.length.is_multiple_of(S::F32_LANES), "outputs are too short");
    for first in (0..row.height).step_by(h) {
        let mut j = 0;
        while j < row.positions.len() {
            let together = tile_width(row.height, row.positions.len() - j);
            // SAFETY: as in `gather`; `j + together` blocks are in the row and their values in `gradients`; a band of each of `first + h` outputs is
            // within `outputs`.
            #[expect(unsafe_code, reason = "bounds are checked once a row")]
            unsafe {
                let gradients = gradients.as_mut_ptr().add(j * row.height + first);
                let (row, from) = ((row, j), (source, at));
                match outputs {
                    Outputs::Strided(outputs, stride) => {
                        let outputs = (outputs.as_ptr().add(first * stride), stride);
                        sized!(
                            row.0.height,
                            together,
                            correlate_tile::<S, _>(simd, row, from, gradients, outputs, band)
                        );
                    }
                    Outputs::Packed(outputs) => {
                        let outputs = outputs.as_ptr().add(first * S::F32_LANES);
                        sized!(row.0.height, together, packed_tile::<S, _>(simd, row, from, gradients, outputs, band));
                    }
                }
            }
            j += together;
        }
    }
}

/// # Safety
/// `J` blocks from `j` on are in the row; their positions fit the source for the band from `at` on; `gradients` has `H` of each; the band at each of
/// `H` strides lies in `outputs`.
#[expect(unsafe_code, reason = "bounds are checked once a row")]
#[inline(always)]
unsafe fn correlate_tile<S: Simd, F: Source<S>, const H: usize, const J: usize>(
    simd: S,
    row: (Row<'_>, usize),
    from: (F, usize),
    gradients: *mut f32,
    (outputs, stride): (*const f32, usize),
    band: Band,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut products = Products::<S, F, H, J>::new(simd, row, from);
        for line in 0..band.lines {
            let outputs = outputs.add(line * band.steps[1]);
            for p in (0..band.length).step_by(S::F32_LANES) {
                products.add(simd, (line * band.steps[0], p), outputs.add(p), stride);
            }
        }
        products.add_to(simd, gradients, row.0.height);
    }
}

/// # Safety
/// As [`correlate_tile`], with packed outputs.
#[expect(unsafe_code, reason = "bounds are checked once a row")]
#[inline(always)]
unsafe fn packed_tile<S: Simd, F: Source<S>, const H: usize, const J: usize>(
    simd: S,
    row: (Row<'_>, usize),
    from: (F, usize),
    gradients: *mut f32,
    mut outputs: *const f32,
    band: Band,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut products = Products::<S, F, H, J>::new(simd, row, from);
        for line in 0..band.lines {
            for p in (0..band.length).step_by(S::F32_LANES) {
                products.add(simd, (line * band.steps[0], p), outputs, S::F32_LANES);
                outputs = outputs.wrapping_add(row.0.height * S::F32_LANES);
            }
        }
        products.add_to(simd, gradients, row.0.height);
    }
}

/// Sums of the products of `H` outputs with what `J` blocks see.
struct Products<S: Simd, F: Source<S>, const H: usize, const J: usize> {
    source: F,
    places: [F::Place; J],
    sums: [[S::f32s; H]; J],
}

#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
impl<S: Simd, F: Source<S>, const H: usize, const J: usize> Products<S, F, H, J> {
    /// # Safety
    /// `J` blocks from `j` on are in the row and fit the source.
    #[inline(always)]
    unsafe fn new(simd: S, (row, j): (Row<'_>, usize), (source, at): (F, usize)) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let mut places = [source.place(*row.positions.get_unchecked(j), at); J];
            for i in 1..J {
                places[i] = source.place(*row.positions.get_unchecked(j + i), at);
            }
            Self { source, places, sums: [[simd.splat_f32s(0.0); H]; J] }
        }
    }

    /// Adds those of one vector of pixels.
    ///
    /// # Safety
    /// It is in the band that fits the source, and `outputs` has a vector at each of `H` strides.
    #[inline(always)]
    unsafe fn add(&mut self, simd: S, (skip, p): (usize, usize), outputs: *const f32, stride: usize) {
        let mut x = [simd.splat_f32s(0.0); J];
        // SAFETY: the caller's promise.
        unsafe {
            for i in 0..J {
                x[i] = self.source.load(simd, self.places[i], skip, p);
            }
            for r in 0..H {
                let y = outputs.add(r * stride).cast::<S::f32s>().read_unaligned();
                for i in 0..J {
                    self.sums[i][r] = multiply_add(simd, x[i], y, self.sums[i][r]);
                }
            }
        }
    }

    /// Adds the sums to the gradients of `J` blocks.
    ///
    /// # Safety
    /// There are `H` gradients at each of `J` heights.
    #[inline(always)]
    unsafe fn add_to(&self, simd: S, gradients: *mut f32, height: usize) {
        for i in 0..J {
            for r in 0..H {
                // SAFETY: the caller's promise.
                unsafe { *gradients.add(i * height + r) += simd.reduce_sum_f32s(self.sums[i][r]) };
            }
        }
    }
}
