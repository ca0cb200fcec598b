//! The gradients of a linear layer's weights and bias.
use super::few::{ColumnSums, Outer};
use super::{FEW, SOME, panel_width, steps};
use crate::layer::Linear;
use crate::matrix::Matrix;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Bias, Blocks, Left, Packed, Product, Terms};
use crate::tile::{Indices, ROWS};
use pulp::Simd;
use std::ops::Range;

/// Inputs that one job takes.
const INPUTS: usize = 96;
/// Panels that a job packs.
const PACKED: usize = 4;

pub(crate) struct BackwardWeight<'a> {
    pub layer: Linear,
    pub dy: &'a [f32],
    pub x: &'a [f32],
    pub threads: usize,
}

impl BackwardWeight<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, dw: &mut [f32], db: Option<&mut [f32]>) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        if let Some(db) = db {
            simd.vectorize(ColumnSums { matrix: &self.dy[..rows * outputs], out: &mut db[..outputs] });
        }
        if rows * outputs == 0 {
            for row in dw.chunks_mut(row_stride.max(1)).take(inputs) {
                row[..outputs].fill(0.0);
            }
            return;
        }
        if rows <= FEW {
            for_each(self.threads, self.jobs(dw, 4 * self.threads).into_iter(), |(range, out)| {
                let x = &self.x[range.start..];
                simd.vectorize(Outer { x, x_stride: inputs, dy: self.dy, rows, out });
            });
            return;
        }
        let width = panel_width::<S>(outputs);
        let panels = outputs.div_ceil(width);
        let terms = Terms { data: self.dy, stride: outputs, columns: outputs, width };
        let mut packed = Scratch::new(panels * rows * width);
        let jobs = packed.chunks_mut(PACKED * rows * width).enumerate();
        for_each(self.threads, jobs, |(index, part)| {
            let panels = index * PACKED..panels.min((index + 1) * PACKED);
            terms.pack(simd, panels, 0..rows, part);
        });
        let parts = inputs.div_ceil(INPUTS).next_multiple_of(self.threads.max(1));
        for_each(self.threads, self.jobs(dw, parts).into_iter(), |(range, out)| {
            self.part(simd, range, Packed { data: &packed, depth: rows, width, lines: None }, out);
        });
    }

    /// dw, cut into ranges of inputs.
    fn jobs<'a>(&self, dw: &'a mut [f32], parts: usize) -> Vec<(Range<usize>, Matrix<'a>)> {
        let Linear { inputs, outputs, row_stride, .. } = self.layer;
        let mut jobs = Vec::new();
        let mut rest = dw;
        for range in split(inputs, parts).filter(|range| !range.is_empty()) {
            let length = (range.len() * row_stride).min(rest.len());
            let (part, next) = rest.split_at_mut(length);
            jobs.push((range.clone(), Matrix::new(part, [range.len(), outputs], row_stride)));
            rest = next;
        }
        jobs
    }

    #[inline(always)]
    fn part<S: Simd>(&self, simd: S, range: Range<usize>, right: Packed<'_>, out: Matrix<'_>) {
        let Linear { rows, inputs, outputs, .. } = self.layer;
        let width = right.width;
        let count = range.len();
        let bases = steps(0..count, 1);
        let few = rows <= SOME;
        let mut copy = Scratch::new(if few { 0 } else { rows * count });
        let (x, step) = if few {
            (&self.x[range.start..], inputs)
        } else {
            for (r, line) in copy.chunks_exact_mut(count).enumerate() {
                line.copy_from_slice(&self.x[r * inputs + range.start..][..count]);
            }
            (&*copy, count)
        };
        let offsets = steps(0..rows, step);
        let left = Left { x, bases: Indices::new(&bases), offsets: Indices::new(&offsets) };
        let mut blocks = Blocks::of(width);
        if few {
            blocks.height = ROWS;
        }
        let panels = 0..outputs.div_ceil(width);
        simd.vectorize(Product { left, right, panels, width, blocks, bias: Bias::Zero, relu: false, out });
    }
}
