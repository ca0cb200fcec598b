//! Linear layers on the inputs that are not left out.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Layer, Linear};
use crate::linear::ColumnSums;
use crate::matrix::Matrix;
use crate::pattern::{Format, Pattern};
use crate::pool::{for_each, split};
use crate::simd::{dispatch, multiply_add_scalar, relu_all};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Adds up whole rows of the dense weights, those of active inputs: what is left out is not read.
#[derive(Clone, Copy, Debug)]
pub struct ActiveInputs;

impl Kernel for ActiveInputs {
    fn name(&self) -> &'static str {
        "active_inputs"
    }

    fn takes(&self, key: &Key) -> bool {
        let sound = matches!(key.layer, Layer::Linear(layer) if layer.row_stride >= layer.outputs);
        sound && matches!(key.format, Format::Active { .. })
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let (Layer::Linear(layer), Pattern::Active(active)) = (args.layer, args.pattern) else {
            return Err(Error::new(self.name(), "not a linear layer on some inputs"));
        };
        let work = layer.rows * layer.outputs * active.inputs().len();
        let threads = if work < 500_000 { 1 } else { args.threads.max(1) };
        dispatch(Call { layer, active: active.inputs(), operands: args.operands, threads });
        Ok(())
    }
}

/// Rows of the weights that are added at a time.
const TOGETHER: usize = 4;
/// Outputs that one job sums, at least: whole pages of the weights.
const OUTPUTS: usize = 1024;
/// Partial sums of a dot product.
const LANES: usize = 32;

struct Call<'a> {
    layer: Linear,
    active: &'a [u32],
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, active, operands, threads } = self;
        let Linear { inputs, outputs, row_stride, .. } = layer;
        match operands {
            Operands::Forward { x, w, b, relu, y } => {
                let parts = if threads > 1 { outputs.div_ceil(OUTPUTS).next_multiple_of(threads) } else { 1 };
                let jobs = Matrix::new(y, [layer.rows, outputs], outputs).cut(split(outputs, parts));
                for_each(threads, jobs.into_iter(), |(range, out)| {
                    simd.vectorize(Forward { layer, active, x, w, b, relu, range, out });
                });
            }
            Operands::BackwardInput { dy, w, dx } => {
                dx.fill(0.0);
                for (dx, dy) in dx.chunks_exact_mut(inputs.max(1)).zip(dy.chunks_exact(outputs.max(1))) {
                    let mut sums = vec![0.0; active.len()];
                    let part = active.len().div_ceil(threads).max(1);
                    for_each(threads, active.chunks(part).zip(sums.chunks_mut(part)), |(active, sums)| {
                        simd.vectorize(Dots { active, layer, dy, w, sums });
                    });
                    active.iter().zip(sums).for_each(|(&i, sum)| dx[i as usize] = sum);
                }
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                if let Some(db) = db {
                    simd.vectorize(ColumnSums { matrix: dy, out: &mut db[..outputs] });
                }
                let mut is_active = vec![false; inputs];
                active.iter().for_each(|&i| is_active[i as usize] = true);
                let rows = dw.chunks_mut(row_stride.max(1)).take(inputs).zip(is_active).enumerate();
                for_each(threads, rows, |(input, (dw, is_active))| {
                    dw[..outputs].fill(0.0);
                    if is_active {
                        simd.vectorize(Outer { layer, input, dy, x, dw: &mut dw[..outputs] });
                    }
                });
            }
        }
    }
}

struct Forward<'a> {
    layer: Linear,
    active: &'a [u32],
    x: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    range: Range<usize>,
    out: Matrix<'a>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, active, x, w, b, relu, range, mut out } = self;
        for r in 0..layer.rows {
            match b {
                Some(b) => out.row(r).copy_from_slice(&b[range.clone()]),
                None => out.row(r).fill(0.0),
            }
        }
        let row = |input: u32| &w[input as usize * layer.row_stride + range.start..][..range.len()];
        let (whole, rest) = active.as_chunks::<TOGETHER>();
        for inputs in whole {
            let rows = inputs.map(row);
            for r in 0..layer.rows {
                let x = inputs.map(|input| x[r * layer.inputs + input as usize]);
                add_rows::<S, TOGETHER>(x, rows, out.row(r));
            }
        }
        for &input in rest {
            for r in 0..layer.rows {
                add_rows::<S, 1>([x[r * layer.inputs + input as usize]], [row(input)], out.row(r));
            }
        }
        if relu {
            (0..layer.rows).for_each(|r| relu_all(simd, out.row(r)));
        }
    }
}

/// `y += sum over i of x[i] * rows[i]`.
#[inline(always)]
fn add_rows<S: Simd, const N: usize>(x: [f32; N], rows: [&[f32]; N], y: &mut [f32]) {
    let rows = rows.map(|row| &row[..y.len()]);
    for (at, y) in y.iter_mut().enumerate() {
        let mut sum = *y;
        for i in 0..N {
            sum = multiply_add_scalar::<S>(x[i], rows[i][at], sum);
        }
        *y = sum;
    }
}

struct Dots<'a, 'b> {
    layer: Linear,
    active: &'a [u32],
    dy: &'a [f32],
    w: &'a [f32],
    sums: &'b mut [f32],
}

impl WithSimd for Dots<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Linear { outputs, row_stride, .. } = self.layer;
        for (&input, sum) in self.active.iter().zip(self.sums) {
            let row = &self.w[input as usize * row_stride..][..outputs];
            let (some, rest) = self.dy.as_chunks::<LANES>();
            let (others, last) = row.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for (dy, w) in some.iter().zip(others) {
                for i in 0..LANES {
                    sums[i] = multiply_add_scalar::<S>(dy[i], w[i], sums[i]);
                }
            }
            let tail: f32 = rest.iter().zip(last).map(|(dy, w)| dy * w).sum();
            *sum = sums.iter().sum::<f32>() + tail;
        }
    }
}

struct Outer<'a, 'b> {
    layer: Linear,
    input: usize,
    dy: &'a [f32],
    x: &'a [f32],
    dw: &'b mut [f32],
}

impl WithSimd for Outer<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Linear { inputs, outputs, .. } = self.layer;
        for (dy, x) in self.dy.chunks_exact(outputs.max(1)).zip(self.x.chunks_exact(inputs)) {
            add_rows::<S, 1>([x[self.input]], [dy], self.dw);
        }
    }
}
