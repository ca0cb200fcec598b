//! The register tile: where all products are summed, and the only file with raw pointers.
use crate::simd::multiply_add;
use pulp::Simd;

/// Rows of the largest tile: with two vectors a row, its sums fill twelve of sixteen registers and hide the latency of the multiply-add.
pub(crate) const ROWS: usize = 6;

/// Positions in a slice, and the greatest of them (or more).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indices<'a> {
    values: &'a [u32],
    greatest: usize,
}

impl<'a> Indices<'a> {
    pub fn new(values: &'a [u32]) -> Self {
        Self { values, greatest: values.iter().fold(0, |most, &v| most.max(v)) as usize }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// At least every position.
    pub fn greatest(&self) -> usize {
        self.greatest
    }

    /// The position at `index`.
    ///
    /// # Safety
    /// `index` is below [`len`](Self::len).
    #[expect(unsafe_code, reason = "bounds are checked once a tile")]
    #[inline(always)]
    pub unsafe fn at_unchecked(&self, index: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { *self.values.get_unchecked(index) as usize }
    }

    #[inline(always)]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self { values: &self.values[range], greatest: self.greatest }
    }
}

/// `sums[r, j] (+)= sum over k of x[bases[r] + offsets[k]] * panel[k * stride + j]` for j below `V` vectors; `sums` is row-major and dense.
///
/// An indirect product (Dukhan 2019, "The Indirect Convolution Algorithm"): the left operand is read where it lies, whatever its layout.
///
/// # Panics
/// When a position lies outside its slice.
#[inline(always)]
pub(crate) fn block<S: Simd, const V: usize>(
    simd: S,
    x: &[f32],
    [bases, offsets]: [Indices<'_>; 2],
    (panel, stride): (&[f32], usize),
    sums: &mut [f32],
    add: bool,
) {
    let width = V * S::F32_LANES;
    let (rows, depth) = (bases.len(), offsets.len());
    assert!(sums.len() >= rows * width, "sums are too short");
    if rows > 0 && depth > 0 {
        assert!(bases.greatest + offsets.greatest < x.len(), "left operand is too short");
        assert!(panel.len() >= (depth - 1) * stride + width, "panel is too short");
    }
    let mut row = 0;
    while row < rows {
        let left = rows - row;
        let size = left.div_ceil(left.div_ceil(ROWS));
        // SAFETY: `size` rows from `row` on are below `rows`. Every base plus every offset is at most the sum of the greatest, which is
        // below the length of `x`; `depth` strides and a width are within `panel`; `rows` widths are within `sums`. All asserted above,
        // and where `depth` is zero neither `x` nor `panel` is read.
        #[expect(unsafe_code, reason = "bounds are checked once a block")]
        unsafe {
            let bases = bases.values.as_ptr().add(row);
            let sums = sums.as_mut_ptr().add(row * width);
            let operands = (x.as_ptr(), bases, offsets.values, panel.as_ptr(), stride);
            match size {
                1 => tile::<S, 1, V>(simd, operands, sums, add),
                2 => tile::<S, 2, V>(simd, operands, sums, add),
                3 => tile::<S, 3, V>(simd, operands, sums, add),
                4 => tile::<S, 4, V>(simd, operands, sums, add),
                5 => tile::<S, 5, V>(simd, operands, sums, add),
                _ => tile::<S, ROWS, V>(simd, operands, sums, add),
            }
        }
        row += size;
    }
}

/// One register tile of `R` rows and `V` vectors.
///
/// # Safety
/// `bases` holds `R` positions; each, with every offset, lies in `x`; `panel` holds as many strides as there are offsets, the last one
/// of `V` vectors; `sums` holds `R * V` vectors.
#[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    (x, bases, offsets, panel, stride): (*const f32, *const u32, &[u32], *const f32, usize),
    sums: *mut f32,
    add: bool,
) {
    let mut rows = [x; R];
    let mut sum = [[simd.splat_f32s(0.0); V]; R];
    let sums = sums.cast::<S::f32s>();
    // SAFETY: the caller's promise, for each pointer.
    unsafe {
        for r in 0..R {
            rows[r] = x.add(*bases.add(r) as usize);
            for v in 0..V {
                if add {
                    sum[r][v] = sums.add(r * V + v).read_unaligned();
                }
            }
        }
        let mut line = panel;
        for &offset in offsets {
            let mut b = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                b[v] = line.cast::<S::f32s>().add(v).read_unaligned();
            }
            for r in 0..R {
                let a = simd.splat_f32s(*rows[r].add(offset as usize));
                for v in 0..V {
                    sum[r][v] = multiply_add(simd, a, b[v], sum[r][v]);
                }
            }
            line = line.wrapping_add(stride);
        }
        for r in 0..R {
            for v in 0..V {
                sums.add(r * V + v).write_unaligned(sum[r][v]);
            }
        }
    }
}
