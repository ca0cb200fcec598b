//! A linear layer on the prefix of its inputs and outputs.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Layer, Linear};
use crate::pattern::Format;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Blocks, DEPTH, InPlace, Left, OnTheFly, Packed, Product, Right, pack_columns, pack_rows};
use crate::simd::{dispatch, multiply_add};
use crate::tile::Indices;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// A dense product with a slice of the full weights.
#[derive(Clone, Copy, Debug)]
pub struct DenseLinear;

impl Kernel for DenseLinear {
    fn name(&self) -> &'static str {
        "dense_linear"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense && matches!(key.layer, Layer::Linear(layer) if layer.row_stride >= layer.outputs)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Linear(layer) = args.layer else { return Err(Error::new(self.name(), "not a linear layer")) };
        dispatch(Call { layer, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

/// Up to so many rows, weights are read where they lie: each is used too seldom to be worth a copy.
const FEW: usize = 16;
/// Up to so many rows, weights are packed a block at a time by the thread that uses them.
const SOME: usize = 256;
/// Up to so many rows, the gradient of the input takes the weights as the left operand, which is never packed.
const LEFT: usize = 96;
/// Up to so many rows, the gradient of the input is made of dot products with rows of the weights.
const DOTS: usize = 4;
/// Inputs that one job takes for the gradient of the weights.
const INPUTS: usize = 96;

struct Call<'a> {
    layer: Linear,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, operands, threads } = self;
        let threads = if Layer::Linear(layer).flops() < 1e6 { 1 } else { threads };
        let narrow = |columns: usize| columns <= S::F32_LANES;
        match operands {
            Operands::Forward { x, w, b, relu, y } => {
                let pass = Forward { layer, x, w, b, relu, threads };
                if narrow(layer.outputs) { pass.run::<S, 1>(simd, y) } else { pass.run::<S, 2>(simd, y) }
            }
            Operands::BackwardInput { dy, w, dx } => {
                let pass = BackwardInput { layer, dy, w, threads };
                let columns = if layer.rows <= LEFT { layer.rows } else { layer.inputs };
                if narrow(columns) { pass.run::<S, 1>(simd, dx) } else { pass.run::<S, 2>(simd, dx) }
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                let pass = BackwardWeight { layer, dy, x, threads };
                if narrow(layer.outputs) { pass.run::<S, 1>(simd, dw, db) } else { pass.run::<S, 2>(simd, dw, db) }
            }
        }
    }
}

/// `first, first + step, ..`.
fn steps(range: Range<usize>, step: usize) -> Vec<u32> {
    range.map(|i| (i * step) as u32).collect()
}

/// The rows of a matrix cut into ranges of columns: for each range, its part of every row.
fn cut(
    matrix: &mut [f32],
    columns: usize,
    ranges: impl Iterator<Item = Range<usize>> + Clone,
) -> Vec<(Range<usize>, Vec<&mut [f32]>)> {
    let mut parts: Vec<_> = ranges.map(|range| (range, Vec::new())).collect();
    for mut row in matrix.chunks_mut(columns.max(1)) {
        for (range, rows) in &mut parts {
            let (part, rest) = row.split_at_mut(range.len());
            rows.push(part);
            row = rest;
        }
    }
    parts
}

struct Forward<'a> {
    layer: Linear,
    x: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    threads: usize,
}

impl Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(&self, simd: S, y: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        if rows * outputs == 0 {
            return;
        }
        let width = V * S::F32_LANES;
        let panels = outputs.div_ceil(width);
        let offsets = steps(0..inputs, 1);
        let bias = self.b.map(|b| {
            let mut padded = vec![0.0; panels * width];
            padded[..outputs].copy_from_slice(&b[..outputs]);
            padded
        });
        let start = |index: usize| bias.as_ref().map(|b| &b[index * width..][..width]);
        let columns = |part: Range<usize>| part.start * width..(part.end * width).min(outputs);
        if rows <= SOME {
            let bases = steps(0..rows, inputs);
            let parts = if self.threads > 1 { 4 * self.threads } else { 1 };
            let jobs = cut(y, outputs, split(panels, parts).map(columns));
            let (bases, offsets) = (Indices::new(&bases), Indices::new(&offsets));
            let left = Left { x: self.x, bases, offsets };
            for_each(self.threads, jobs.into_iter(), |(range, mut out)| {
                let part = range.start / width..range.end.div_ceil(width);
                let mut spare = Scratch::new(DEPTH * width);
                let put = |row: usize, column: usize, sums: &[f32]| {
                    out[row][column - range.start..][..sums.len()].copy_from_slice(sums);
                };
                if rows <= FEW {
                    let right = InPlace { data: self.w, stride: row_stride, columns: outputs, width, rest: &mut spare };
                    let blocks = Blocks { height: rows, depth: 16 };
                    self.part::<S, V>(simd, left, right, (part, blocks), start, put);
                } else {
                    let right =
                        OnTheFly { data: self.w, stride: row_stride, columns: outputs, width, block: &mut spare };
                    let blocks = Blocks { height: rows, depth: DEPTH };
                    self.part::<S, V>(simd, left, right, (part, blocks), start, put);
                }
            });
        } else {
            let mut packed = Scratch::new(panels * inputs * width);
            let jobs = packed.chunks_mut((inputs * width).max(1)).enumerate();
            for_each(self.threads, jobs, |(index, panel)| {
                let first = index * width;
                pack_rows(&self.w[first..], row_stride, [inputs, width.min(outputs - first)], panel, width);
            });
            let right = Packed { data: &packed, depth: inputs, width };
            self.by_rows::<S, V>(simd, &offsets, right, panels, start, y);
        }
    }

    #[inline(always)]
    fn by_rows<'a, S: Simd, const V: usize>(
        &self,
        simd: S,
        offsets: &[u32],
        right: Packed<'_>,
        panels: usize,
        start: impl Fn(usize) -> Option<&'a [f32]> + Copy + Sync,
        y: &mut [f32],
    ) {
        let Linear { rows, inputs, outputs, .. } = self.layer;
        let offsets = Indices::new(offsets);
        let jobs = row_jobs(y, outputs, rows, self.threads);
        for_each(self.threads, jobs.into_iter(), |(range, out)| {
            let bases = steps(0..range.len(), inputs);
            let x = &self.x[range.start * inputs..range.end * inputs];
            let left = Left { x, bases: Indices::new(&bases), offsets };
            let put = |row: usize, column: usize, sums: &[f32]| {
                out[row * outputs + column..][..sums.len()].copy_from_slice(sums);
            };
            self.part::<S, V>(simd, left, right, (0..panels, Blocks::default()), start, put);
        });
    }

    /// Computes some panels of some rows; `put` takes row, column and what stands there.
    #[inline(always)]
    fn part<'a, S: Simd, const V: usize>(
        &self,
        simd: S,
        left: Left<'_>,
        right: impl Right,
        (panels, blocks): (Range<usize>, Blocks),
        start: impl Fn(usize) -> Option<&'a [f32]>,
        mut put: impl FnMut(usize, usize, &[f32]),
    ) {
        let width = V * S::F32_LANES;
        let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
            if self.relu {
                sums.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            let column = index * width;
            let count = width.min(self.layer.outputs - column);
            for (row, sums) in rows.zip(sums.chunks_exact(width)) {
                put(row, column, &sums[..count]);
            }
        };
        simd.vectorize(Product::<_, _, _, V> { left, right, panels, blocks, start, write });
    }
}

/// Splits the rows of an output among threads.
fn row_jobs(out: &mut [f32], columns: usize, rows: usize, threads: usize) -> Vec<(Range<usize>, &mut [f32])> {
    let parts = rows.div_ceil(crate::product::HEIGHT).next_multiple_of(threads.max(1));
    let mut rest = out;
    let mut jobs = Vec::new();
    for range in split(rows, parts) {
        let (part, next) = rest.split_at_mut(range.len() * columns);
        jobs.push((range, part));
        rest = next;
    }
    jobs
}

struct BackwardInput<'a> {
    layer: Linear,
    dy: &'a [f32],
    w: &'a [f32],
    threads: usize,
}

impl BackwardInput<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(&self, simd: S, dx: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        if rows * inputs == 0 {
            return;
        }
        if outputs == 0 {
            dx.fill(0.0);
        } else if rows <= LEFT {
            let parts = if self.threads > 1 { (8 * self.threads).min(inputs.div_ceil(24)) } else { 1 };
            let jobs = cut(dx, inputs, split(inputs, parts));
            if rows <= DOTS {
                for_each(self.threads, jobs.into_iter(), |(range, mut out)| {
                    simd.vectorize(Dots { pass: self, range, out: &mut out });
                });
            } else {
                self.left::<S, V>(simd, jobs);
            }
        } else {
            let width = V * S::F32_LANES;
            let panels = inputs.div_ceil(width);
            let mut packed = Scratch::new(panels * outputs * width);
            for_each(self.threads, packed.chunks_mut(outputs * width).enumerate(), |(index, panel)| {
                let first = index * width;
                let size = [outputs, width.min(inputs - first)];
                pack_columns(&self.w[first * row_stride..], row_stride, size, panel, width);
            });
            let same = Linear { rows, inputs: outputs, outputs: inputs, row_stride };
            let pass = Forward { layer: same, x: self.dy, w: self.w, b: None, relu: false, threads: self.threads };
            let right = Packed { data: &packed, depth: outputs, width };
            pass.by_rows::<S, V>(simd, &steps(0..outputs, 1), right, panels, |_| None, dx);
        }
    }

    /// `dx' = W dy'`, with the weights as the left operand.
    #[inline(always)]
    fn left<S: Simd, const V: usize>(&self, simd: S, jobs: Vec<(Range<usize>, Vec<&mut [f32]>)>) {
        let Linear { rows, outputs, row_stride, .. } = self.layer;
        let width = V * S::F32_LANES;
        let panels = rows.div_ceil(width);
        let mut packed = Scratch::new(panels * outputs * width);
        for (index, panel) in packed.chunks_mut(outputs * width).enumerate() {
            let size = [outputs, width.min(rows - index * width)];
            pack_columns(&self.dy[index * width * outputs..], outputs, size, panel, width);
        }
        let offsets = steps(0..outputs, 1);
        let offsets = Indices::new(&offsets);
        for_each(self.threads, jobs.into_iter(), |(range, mut out)| {
            let bases = steps(range, row_stride);
            let left = Left { x: self.w, bases: Indices::new(&bases), offsets };
            let right = Packed { data: &packed, depth: outputs, width };
            let write = |inputs: Range<usize>, index: usize, sums: &mut [f32]| {
                let columns = width.min(rows - index * width);
                for (c, out) in out[index * width..][..columns].iter_mut().enumerate() {
                    for (to, from) in out[inputs.clone()].iter_mut().zip(sums.chunks_exact(width)) {
                        *to = from[c];
                    }
                }
            };
            let (panels, blocks) = (0..panels, Blocks::default());
            simd.vectorize(Product::<_, _, _, V> { left, right, panels, blocks, start: |_| None, write });
        });
    }
}

/// One dot product for each element, four rows of the weights at a time.
struct Dots<'a, 'b> {
    pass: &'a BackwardInput<'a>,
    range: Range<usize>,
    out: &'a mut [&'b mut [f32]],
}

impl WithSimd for Dots<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Linear { outputs, row_stride, .. } = self.pass.layer;
        let row = |input: usize| &self.pass.w[input * row_stride..][..outputs];
        for (dy, out) in self.pass.dy.chunks_exact(outputs).zip(self.out) {
            let (head, tail) = S::as_simd_f32s(dy);
            for (group, to) in out.chunks_mut(4).enumerate() {
                let first = self.range.start + 4 * group;
                let rows = [0, 1, 2, 3].map(|i| S::as_simd_f32s(row(first + i.min(to.len() - 1))));
                let mut sums = [simd.splat_f32s(0.0); 4];
                for (k, &d) in head.iter().enumerate() {
                    for (sum, (w, _)) in sums.iter_mut().zip(&rows) {
                        *sum = multiply_add(simd, d, w[k], *sum);
                    }
                }
                for ((to, sum), (_, rest)) in to.iter_mut().zip(sums).zip(&rows) {
                    *to = simd.reduce_sum_f32s(sum) + tail.iter().zip(*rest).map(|(a, b)| a * b).sum::<f32>();
                }
            }
        }
    }
}

struct BackwardWeight<'a> {
    layer: Linear,
    dy: &'a [f32],
    x: &'a [f32],
    threads: usize,
}

impl BackwardWeight<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(&self, simd: S, dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let width = V * S::F32_LANES;
        let panels = outputs.div_ceil(width);
        if let Some(db) = &mut db {
            db[..outputs].fill(0.0);
        }
        if rows * outputs == 0 {
            for row in dw.chunks_mut(row_stride.max(1)).take(inputs) {
                row[..outputs].fill(0.0);
            }
            return;
        }
        let mut packed = Scratch::new(panels * rows * width);
        let mut none = [];
        let biases = match db {
            Some(db) => db[..outputs].chunks_mut(width),
            None => none.chunks_mut(width),
        };
        let biases = biases.map(Some).chain(std::iter::repeat_with(|| None));
        let jobs = packed.chunks_mut(rows * width).zip(biases).enumerate();
        for_each(self.threads, jobs, |(index, (panel, bias))| {
            let first = index * width;
            pack_rows(&self.dy[first..], outputs, [rows, width.min(outputs - first)], panel, width);
            if let Some(bias) = bias {
                for line in panel.chunks_exact(width) {
                    bias.iter_mut().zip(line).for_each(|(sum, v)| *sum += v);
                }
            }
        });
        let parts = inputs.div_ceil(INPUTS).next_multiple_of(self.threads.max(1));
        let mut jobs = Vec::new();
        let mut rest = dw;
        for range in split(inputs, parts) {
            let length = (range.len() * row_stride).min(rest.len());
            let (part, next) = rest.split_at_mut(length);
            jobs.push((range, part));
            rest = next;
        }
        let jobs = jobs.into_iter().filter(|(range, _)| !range.is_empty());
        for_each(self.threads, jobs, |(range, out)| {
            self.part::<S, V>(simd, range, &packed, out);
        });
    }

    #[inline(always)]
    fn part<S: Simd, const V: usize>(&self, simd: S, range: Range<usize>, packed: &[f32], out: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let width = V * S::F32_LANES;
        let right = Packed { data: packed, depth: rows, width };
        let count = range.len();
        let bases = steps(0..count, 1);
        let few = rows <= FEW;
        let mut copy = Scratch::new(if few { 0 } else { rows * count });
        let (x, step) = if few {
            (&self.x[range.start..], inputs)
        } else {
            pack_rows(&self.x[range.start..], inputs, [rows, count], &mut copy, count);
            (&*copy, count)
        };
        let offsets = steps(0..rows, step);
        let left = Left { x, bases: Indices::new(&bases), offsets: Indices::new(&offsets) };
        let blocks = if few { Blocks { height: crate::tile::ROWS, depth: DEPTH } } else { Blocks::default() };
        let panels = 0..outputs.div_ceil(width);
        let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
            let column = index * width;
            let columns = width.min(outputs - column);
            for (row, sums) in rows.zip(sums.chunks_exact(width)) {
                out[row * row_stride + column..][..columns].copy_from_slice(&sums[..columns]);
            }
        };
        simd.vectorize(Product::<_, _, _, V> { left, right, panels, blocks, start: |_| None, write });
    }
}
