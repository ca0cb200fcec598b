//! Block-sparse linear layers on few rows.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Layer, Linear};
use crate::linear::ColumnSums;
use crate::matrix::Matrix;
use crate::pattern::{Blocks, Format, Pattern, Shape};
use crate::pool::{for_each, split};
use crate::simd::{dispatch, multiply_add_scalar, relu_all};
use pulp::{Simd, WithSimd};
use std::ops::Range;
use supple_graph::Phase;

/// Products with the first blocks of every row, for so few rows of x that weights are read once each: the outputs of a block are the vector.
#[derive(Clone, Copy, Debug)]
pub struct BlockRows;

/// Rows that it takes forward, at most, and backward: with more, planes of pixels are faster.
const ROWS: [usize; 2] = [5, 8];

impl Kernel for BlockRows {
    fn name(&self) -> &'static str {
        "block_rows"
    }

    fn takes(&self, key: &Key) -> bool {
        let most = ROWS[usize::from(key.phase != Phase::Forward)];
        let few = matches!(key.layer, Layer::Linear(linear) if linear.rows <= most);
        few && matches!(key.format, Format::Blocks { .. })
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let (Layer::Linear(layer), Pattern::Blocks(blocks)) = (args.layer, args.pattern) else {
            return Err(Error::new(self.name(), "not a sparse linear layer"));
        };
        dispatch(Call { layer, blocks, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

struct Call<'a> {
    layer: Linear,
    blocks: Blocks<'a>,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.blocks.height() {
            1 => self.run::<S, 1>(simd),
            8 => self.run::<S, 8>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Call<'_> {
    #[inline(always)]
    fn run<S: Simd, const H: usize>(self, simd: S) {
        let Self { layer, blocks, operands, threads } = self;
        let shape = Shape::of(&Layer::Linear(layer));
        let rows = shape.rows(H);
        let weights = rows * blocks.kept() * H;
        let threads = if layer.rows * weights < 500_000 { 1 } else { threads.max(1) };
        let pass = Pass { layer, shape, blocks };
        match operands {
            Operands::Forward { x, w, b, relu, y } => {
                let parts = split(rows, if threads > 1 { 4 * threads } else { 1 });
                let outputs = parts.clone().map(|rows| rows.start * H..(rows.end * H).min(layer.outputs));
                let out = Matrix::new(y, [layer.rows, layer.outputs], layer.outputs).cut(outputs);
                for_each(threads, parts.zip(out), |(rows, (_, out))| {
                    simd.vectorize(Forward::<H> { pass: &pass, rows, x, w, b, relu, out });
                });
            }
            Operands::BackwardInput { dy, w, dx } => {
                let mut sums: Vec<(Range<usize>, Vec<f32>)> =
                    split(rows, threads).map(|rows| (rows, vec![0.0; dx.len()])).collect();
                for_each(threads, sums.iter_mut(), |(rows, dx)| {
                    simd.vectorize(BackwardInput::<H> { pass: &pass, rows: rows.clone(), dy, w, dx });
                });
                dx.fill(0.0);
                sums.iter().for_each(|(_, some)| dx.iter_mut().zip(some).for_each(|(sum, v)| *sum += v));
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                if let Some(db) = db {
                    simd.vectorize(ColumnSums { matrix: dy, out: &mut db[..layer.outputs] });
                }
                let jobs = dw.chunks_mut((blocks.stored() * H).max(1)).enumerate();
                for_each(threads, jobs, |(row, dw)| {
                    simd.vectorize(BackwardWeight::<H> { pass: &pass, row, dy, x, dw });
                });
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Pass<'a> {
    layer: Linear,
    shape: Shape,
    blocks: Blocks<'a>,
}

impl<'a> Pass<'a> {
    fn outputs(&self, row: usize, height: usize) -> Range<usize> {
        self.shape.outputs_of(row, height).1
    }

    /// The blocks of a row and their values.
    #[inline(always)]
    fn row<'v, const H: usize>(&self, row: usize, values: &'v [f32]) -> (&'a [u16], &'v [[f32; H]]) {
        let (values, _) = values[row * self.blocks.stored() * H..][..self.blocks.kept() * H].as_chunks::<H>();
        (self.blocks.row(row), values)
    }

    /// The gradient of the output of a row of blocks, zero in the padding.
    #[inline(always)]
    fn gradient<const H: usize>(&self, row: usize, dy: &[f32]) -> [f32; H] {
        let outputs = self.outputs(row, H);
        let mut gradient = [0.0; H];
        gradient[..outputs.len()].copy_from_slice(&dy[outputs]);
        gradient
    }
}

/// Blocks that are summed apart, so that their latencies overlap.
const APART: usize = 4;

struct Forward<'a, const H: usize> {
    pass: &'a Pass<'a>,
    rows: Range<usize>,
    x: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    out: Matrix<'a>,
}

impl<const H: usize> WithSimd for Forward<'_, H> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, rows, x, w, b, relu, mut out } = self;
        let first = rows.start * H;
        for row in rows {
            let outputs = pass.outputs(row, H);
            let (positions, values) = pass.row::<H>(row, w);
            for r in 0..pass.layer.rows {
                let mut sums = product::<S, H>(&x[r * pass.layer.inputs..][..pass.layer.inputs], positions, values);
                if let Some(b) = b {
                    sums.iter_mut().zip(&b[outputs.clone()]).for_each(|(sum, b)| *sum += b);
                }
                if relu {
                    relu_all(simd, &mut sums);
                }
                let y = &mut out.row(r)[outputs.start - first..outputs.end - first];
                y.copy_from_slice(&sums[..outputs.len()]);
            }
        }
    }
}

/// The sum of a row's blocks, each times its element of x.
#[inline(always)]
fn product<S: Simd, const H: usize>(x: &[f32], positions: &[u16], values: &[[f32; H]]) -> [f32; H] {
    let mut sums = [[0.0; H]; APART];
    let (some, rest) = positions.as_chunks::<APART>();
    let (blocks, last) = values.as_chunks::<APART>();
    for (positions, blocks) in some.iter().zip(blocks) {
        for i in 0..APART {
            let x = x[usize::from(positions[i])];
            for r in 0..H {
                sums[i][r] = multiply_add_scalar::<S>(x, blocks[i][r], sums[i][r]);
            }
        }
    }
    for (position, block) in rest.iter().zip(last) {
        for r in 0..H {
            sums[0][r] = multiply_add_scalar::<S>(x[usize::from(*position)], block[r], sums[0][r]);
        }
    }
    let [mut sum, rest @ ..] = sums;
    rest.iter().for_each(|some| sum.iter_mut().zip(some).for_each(|(sum, v)| *sum += v));
    sum
}

struct BackwardInput<'a, const H: usize> {
    pass: &'a Pass<'a>,
    rows: Range<usize>,
    dy: &'a [f32],
    w: &'a [f32],
    dx: &'a mut [f32],
}

impl<const H: usize> WithSimd for BackwardInput<'_, H> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Linear { inputs, outputs, .. } = self.pass.layer;
        for row in self.rows {
            let (positions, values) = self.pass.row::<H>(row, self.w);
            for (dy, dx) in self.dy.chunks_exact(outputs).zip(self.dx.chunks_exact_mut(inputs.max(1))) {
                let dy = self.pass.gradient::<H>(row, dy);
                for (position, block) in positions.iter().zip(values) {
                    let mut products = [0.0; H];
                    for r in 0..H {
                        products[r] = block[r] * dy[r];
                    }
                    dx[usize::from(*position)] += total(products);
                }
            }
        }
    }
}

/// The sum of a power of two of numbers, in halves.
#[inline(always)]
fn total<const H: usize>(mut products: [f32; H]) -> f32 {
    let mut half = H / 2;
    while half > 0 {
        for r in 0..half {
            products[r] += products[r + half];
        }
        half /= 2;
    }
    products[0]
}

struct BackwardWeight<'a, const H: usize> {
    pass: &'a Pass<'a>,
    row: usize,
    dy: &'a [f32],
    x: &'a [f32],
    dw: &'a mut [f32],
}

impl<const H: usize> WithSimd for BackwardWeight<'_, H> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Linear { inputs, outputs, .. } = self.pass.layer;
        let (positions, kept) = (self.pass.blocks.row(self.row), self.pass.blocks.kept());
        let (gradients, _) = self.dw[..kept * H].as_chunks_mut::<H>();
        gradients.iter_mut().for_each(|block| *block = [0.0; H]);
        for (dy, x) in self.dy.chunks_exact(outputs).zip(self.x.chunks_exact(inputs.max(1))) {
            let dy = self.pass.gradient::<H>(self.row, dy);
            for (position, block) in positions.iter().zip(gradients.iter_mut()) {
                let x = x[usize::from(*position)];
                for r in 0..H {
                    block[r] = multiply_add_scalar::<S>(x, dy[r], block[r]);
                }
            }
        }
    }
}
