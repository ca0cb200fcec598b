//! Products with few rows: as fast as the weights come from memory.
use crate::matrix::Matrix;
use crate::simd::{load, multiply_add, relu_all, store};
use pulp::{Simd, WithSimd};

/// Terms that are added at a time.
const TERMS: usize = 4;
/// Columns that are taken at a time: their sums stay in the first-level cache.
const COLUMNS: usize = 4096;

/// `out[r, j] = bias[j] + sum over k of x[r * step[0] + k * step[1]] * w[k * stride + j]`: rows of w are read one after the other, from end to end.
pub(super) struct Streamed<'a> {
    pub x: &'a [f32],
    /// Elements from a row of x to the next, and from a term to the next.
    pub step: [usize; 2],
    pub terms: usize,
    pub w: &'a [f32],
    pub stride: usize,
    /// An element for each column; else sums start from zero.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    pub out: Matrix<'a>,
}

impl WithSimd for Streamed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for first in (0..self.out.columns()).step_by(COLUMNS) {
            let columns = first..(first + COLUMNS).min(self.out.columns());
            for r in 0..self.out.rows() {
                let sums = &mut self.out.row(r)[columns.clone()];
                match self.bias {
                    Some(bias) => sums.copy_from_slice(&bias[columns.clone()]),
                    None => sums.fill(0.0),
                }
            }
            let whole = self.terms - self.terms % TERMS;
            for k in (0..whole).step_by(TERMS) {
                self.add::<S, TERMS>(simd, k, first, columns.len());
            }
            for k in whole..self.terms {
                self.add::<S, 1>(simd, k, first, columns.len());
            }
            if self.relu {
                (0..self.out.rows()).for_each(|r| relu_all(simd, &mut self.out.row(r)[columns.clone()]));
            }
        }
    }
}

impl Streamed<'_> {
    /// Adds `N` terms from `k` on to `count` columns from `first` on.
    #[inline(always)]
    fn add<S: Simd, const N: usize>(&mut self, simd: S, k: usize, first: usize, count: usize) {
        let lines: [&[f32]; N] = std::array::from_fn(|i| &self.w[(k + i) * self.stride + first..][..count]);
        let heads = lines.map(|line| S::as_simd_f32s(line).0);
        for r in 0..self.out.rows() {
            let x: [f32; N] = std::array::from_fn(|i| self.x[r * self.step[0] + (k + i) * self.step[1]]);
            let splat = x.map(|v| simd.splat_f32s(v));
            let (head, tail) = S::as_mut_simd_f32s(&mut self.out.row(r)[first..first + count]);
            let from = count - tail.len();
            for (j, sum) in head.iter_mut().enumerate() {
                for i in 0..N {
                    *sum = multiply_add(simd, splat[i], heads[i][j], *sum);
                }
            }
            for (j, sum) in tail.iter_mut().enumerate() {
                for i in 0..N {
                    *sum += x[i] * lines[i][from + j];
                }
            }
        }
    }
}

/// `out[i, j] = sum over r of x[r, i] * dy[r, j]`, written from end to end.
pub(super) struct Outer<'a> {
    /// Starts at the first row's element of the first i.
    pub x: &'a [f32],
    pub x_stride: usize,
    pub dy: &'a [f32],
    pub rows: usize,
    pub out: Matrix<'a>,
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.rows {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            _ => self.run::<S, 4>(simd),
        }
    }
}

impl Outer<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(mut self, simd: S) {
        let columns = self.out.columns();
        let dy: [&[f32]; R] = std::array::from_fn(|r| &self.dy[r * columns..][..columns]);
        let whole = columns - columns % S::F32_LANES;
        for i in 0..self.out.rows() {
            let x: [S::f32s; R] = std::array::from_fn(|r| simd.splat_f32s(self.x[r * self.x_stride + i]));
            let out = self.out.row(i);
            let (head, tail) = S::as_mut_simd_f32s(out);
            for (j, to) in head.iter_mut().enumerate() {
                let mut sum = simd.mul_f32s(x[0], load::<S>(dy[0], j * S::F32_LANES));
                for r in 1..R {
                    sum = multiply_add(simd, x[r], load::<S>(dy[r], j * S::F32_LANES), sum);
                }
                *to = sum;
            }
            for (j, to) in tail.iter_mut().enumerate() {
                *to = (0..R).map(|r| self.x[r * self.x_stride + i] * dy[r][whole + j]).sum();
            }
        }
    }
}

/// `out[r, i] = sum over k of dy[r, k] * w[(first + i) * stride + k]`: dot products with rows of w, some at a time.
pub(super) struct Dots<'a> {
    pub dy: &'a [f32],
    pub outputs: usize,
    pub w: &'a [f32],
    pub stride: usize,
    pub first: usize,
    pub out: Matrix<'a>,
}

/// Rows of w that are taken at a time.
const LINES: usize = 4;

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for i in (0..self.out.columns()).step_by(LINES) {
            for r in 0..self.out.rows() {
                let sums = self.dots(simd, r, i);
                self.out.row(r)[i..].iter_mut().zip(sums).for_each(|(to, sum)| *to = sum);
            }
        }
    }
}

impl Dots<'_> {
    /// The sums of a row and some inputs from `i` on; of the last input again where there are no more.
    #[inline(always)]
    fn dots<S: Simd>(&self, simd: S, r: usize, i: usize) -> [f32; LINES] {
        let last = self.out.columns() - 1;
        let line = |l: usize| &self.w[(self.first + (i + l).min(last)) * self.stride..][..self.outputs];
        let lines: [_; LINES] = std::array::from_fn(|l| S::as_simd_f32s(line(l)));
        let (head, tail) = S::as_simd_f32s(&self.dy[r * self.outputs..][..self.outputs]);
        let heads = lines.map(|(line, _)| &line[..head.len()]);
        let mut sums = [[simd.splat_f32s(0.0); 2]; LINES];
        for (k, &d) in head.iter().enumerate() {
            for (sum, line) in sums.iter_mut().zip(heads) {
                sum[k % 2] = multiply_add(simd, d, line[k], sum[k % 2]);
            }
        }
        let mut dots = [0.0; LINES];
        for (dot, ([even, odd], (_, line))) in dots.iter_mut().zip(sums.into_iter().zip(lines)) {
            let rest: f32 = tail.iter().zip(line).map(|(a, b)| a * b).sum();
            *dot = simd.reduce_sum_f32s(simd.add_f32s(even, odd)) + rest;
        }
        dots
    }
}

/// The sum of each column of `[rows, columns]`.
pub(crate) struct ColumnSums<'a> {
    pub matrix: &'a [f32],
    pub out: &'a mut [f32],
}

impl WithSimd for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.out.len();
        self.out.fill(0.0);
        for row in self.matrix.chunks_exact(columns.max(1)) {
            for j in (0..columns).step_by(S::F32_LANES) {
                let out = &mut self.out[j..];
                if out.len() >= S::F32_LANES {
                    store::<S>(simd.add_f32s(load::<S>(out, 0), load::<S>(row, j)), out);
                } else {
                    out.iter_mut().zip(&row[j..]).for_each(|(sum, v)| *sum += v);
                }
            }
        }
    }
}
