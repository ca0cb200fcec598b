//! The register tile: where all products are summed.
use crate::matrix::Matrix;
use crate::simd::{multiply_add, relu};
use pulp::{Simd, WithSimd};

/// Rows of the largest tile, by its vectors and the machine's registers: beyond them the compiler keeps sums in memory.
const fn most(vectors: usize, registers: usize) -> usize {
    match (vectors, registers >= 32) {
        (1, true) => 12,
        (_, true) => 8,
        (1, false) => 6,
        (_, false) => 4,
    }
}

/// Rows of the largest tile everywhere.
pub(crate) const ROWS: usize = 12;
/// Rows of a tile that hide most of the latency of the multiply-add, and at most so many where rows are whole pages apart: all of them then want the
/// same few lines of the first-level cache.
const FEW: usize = 6;
/// Columns of the widest tile: two vectors of 512 bits.
const WIDEST: usize = 32;
/// Elements of a page.
const PAGE: u32 = 1024;

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

    /// `0..count`.
    ///
    /// # Panics
    /// When there are more than [`MOST`].
    #[inline(always)]
    pub fn first(count: usize) -> Indices<'static> {
        Indices { values: &FIRST[..count], greatest: count.saturating_sub(1) }
    }
}

/// Terms of a block, at most, that are neighbours in its panel.
pub(crate) const MOST: usize = 384;

static FIRST: [u32; MOST] = {
    let mut values = [0; MOST];
    let mut i = 0;
    while i < MOST {
        values[i] = i as u32;
        i += 1;
    }
    values
};

/// Lines of the right operand, one for each term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel<'a> {
    pub data: &'a [f32],
    /// Elements from a line to the next.
    pub stride: usize,
    pub lines: Indices<'a>,
}

/// What a sum starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    Zero,
    /// What stands in the output.
    Output,
    /// An element for each column; zero where there are fewer.
    Columns(&'a [f32]),
}

/// `out[r, j] = start + sum over k of x[bases[r] + offsets[k]] * panel[lines[k] * stride + j]`, at most two vectors of
/// columns.
///
/// An indirect product (Dukhan 2019, "The Indirect Convolution Algorithm"): the left operand is read where it lies, whatever its layout. The
/// lines of the panel are read up to the end of the last vector.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub x: &'a [f32],
    pub bases: Indices<'a>,
    pub offsets: Indices<'a>,
    pub panel: Panel<'a>,
    pub out: Matrix<'a>,
    pub start: Start<'a>,
    /// Negative sums become zero.
    pub relu: bool,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.out.columns() <= S::F32_LANES { self.run::<S, 1>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl Block<'_> {
    /// # Panics
    /// When a position lies outside its slice.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let width = V * S::F32_LANES;
        assert!(width <= WIDEST, "vectors are no wider");
        let (rows, depth, columns) = (self.bases.len(), self.offsets.len(), self.out.columns());
        assert!(self.out.rows() == rows && columns <= width, "the output has another shape");
        if rows > 0 && depth > 0 {
            assert!(self.bases.greatest + self.offsets.greatest < self.x.len(), "left operand is too short");
            let Panel { data, stride, lines } = self.panel;
            assert!(lines.len() == depth, "each term has its line");
            assert!(data.len() >= lines.greatest * stride + width, "panel is too short");
        }
        let line = match self.start {
            Start::Columns(line) => line,
            _ => &[],
        };
        let line = [0, 1].map(|v| part::<S>(simd, line.get(v * S::F32_LANES..)));
        let aliased = matches!(self.bases.values, [a, b, ..] if a.abs_diff(*b).is_multiple_of(PAGE));
        let most = most(V, S::REGISTER_COUNT);
        let limit = if aliased { most.min(FEW) } else { most };
        let whole = columns == width;
        let mut spare = [0.0; ROWS * WIDEST];
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            let size = left.div_ceil(left.div_ceil(limit));
            let (out, step) = if whole {
                (self.out.as_mut_ptr().wrapping_add(row * self.out.stride()), self.out.stride())
            } else {
                (spare.as_mut_ptr(), width)
            };
            if !whole && matches!(self.start, Start::Output) {
                for (r, line) in spare.chunks_exact_mut(width).take(size).enumerate() {
                    line[..columns].copy_from_slice(self.out.row(row + r));
                }
            }
            // SAFETY: `size` rows from `row` on are below `rows`, which is the number of rows of `out` and of bases. Every base plus every
            // offset is at most the sum of the greatest, which is below the length of `x`; every line, of `V` vectors, is within `panel`. All
            // asserted above; where `depth` is zero neither `x` nor `panel` is read. The output has `V` whole vectors of columns, or stands in
            // `spare`, which has as many for the largest tile.
            #[expect(unsafe_code, reason = "bounds are checked once a block")]
            unsafe {
                match size {
                    1 => self.tile::<S, 1, V>(simd, row, line, out, step),
                    2 => self.tile::<S, 2, V>(simd, row, line, out, step),
                    3 => self.tile::<S, 3, V>(simd, row, line, out, step),
                    4 => self.tile::<S, 4, V>(simd, row, line, out, step),
                    5 if most >= 5 => self.tile::<S, 5, V>(simd, row, line, out, step),
                    6 if most >= 6 => self.tile::<S, 6, V>(simd, row, line, out, step),
                    7 if most >= 7 => self.tile::<S, 7, V>(simd, row, line, out, step),
                    8 if most >= 8 => self.tile::<S, 8, V>(simd, row, line, out, step),
                    9 if most >= 9 => self.tile::<S, 9, V>(simd, row, line, out, step),
                    10 if most >= 10 => self.tile::<S, 10, V>(simd, row, line, out, step),
                    11 if most >= 11 => self.tile::<S, 11, V>(simd, row, line, out, step),
                    12 if most >= 12 => self.tile::<S, 12, V>(simd, row, line, out, step),
                    _ => unreachable!("tiles are no larger"),
                }
            }
            if !whole {
                for (r, line) in spare.chunks_exact(width).take(size).enumerate() {
                    self.out.row(row + r).copy_from_slice(&line[..columns]);
                }
            }
            row += size;
        }
    }

    /// One register tile of `R` rows and `V` vectors, whose rows of output are `step` apart.
    ///
    /// # Safety
    /// `bases` has `R` rows from `row` on; each base, with every offset, lies in `x`; `panel` holds `V` vectors at each line; `out` holds `R` rows of
    /// `V` vectors.
    #[expect(unsafe_code, clippy::needless_range_loop, reason = "constant bounds that unroll into registers")]
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        row: usize,
        line: [S::f32s; 2],
        out: *mut f32,
        step: usize,
    ) {
        let mut rows = [self.x.as_ptr(); R];
        let mut sum = [[simd.splat_f32s(0.0); V]; R];
        // SAFETY: the caller's promise, for each pointer.
        unsafe {
            for r in 0..R {
                rows[r] = rows[r].add(*self.bases.values.get_unchecked(row + r) as usize);
                for v in 0..V {
                    sum[r][v] = match self.start {
                        Start::Zero | Start::Columns(_) => line[v],
                        Start::Output => out.add(r * step).cast::<S::f32s>().add(v).read_unaligned(),
                    };
                }
            }
            for (&offset, &line) in self.offsets.values.iter().zip(self.panel.lines.values) {
                let panel = self.panel.data.as_ptr().add(line as usize * self.panel.stride);
                let mut b = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    b[v] = panel.cast::<S::f32s>().add(v).read_unaligned();
                }
                for r in 0..R {
                    let a = simd.splat_f32s(*rows[r].add(offset as usize));
                    for v in 0..V {
                        sum[r][v] = multiply_add(simd, a, b[v], sum[r][v]);
                    }
                }
            }
            for r in 0..R {
                for v in 0..V {
                    let value = if self.relu { relu(simd, sum[r][v]) } else { sum[r][v] };
                    out.add(r * step).cast::<S::f32s>().add(v).write_unaligned(value);
                }
            }
        }
    }
}

/// A vector of the elements, as many as there are, the others zero.
#[inline(always)]
fn part<S: Simd>(simd: S, line: Option<&[f32]>) -> S::f32s {
    let mut vector = simd.splat_f32s(0.0);
    let lanes: &mut [f32] = pulp::bytemuck::cast_slice_mut(std::slice::from_mut(&mut vector));
    lanes.iter_mut().zip(line.unwrap_or_default()).for_each(|(lane, v)| *lane = *v);
    vector
}
