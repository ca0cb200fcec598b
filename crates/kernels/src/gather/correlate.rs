//! The register tiles of gradients of weights: sums of products over pixels.
use super::{Band, Row, Source, tile_height, tile_width};
use crate::simd::multiply_add;
use pulp::Simd;

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
