//! The gradient of a linear layer's input.
use super::few::Dots;
use super::{FEW, Forward, panel_width, steps};
use crate::layer::Linear;
use crate::matrix::Matrix;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Blocks, Left, Packed, Staged, pack_columns};
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

/// Up to so many rows, the weights are the left operand, which is never packed.
const LEFT: usize = 96;

pub(crate) struct BackwardInput<'a> {
    pub layer: Linear,
    pub dy: &'a [f32],
    pub w: &'a [f32],
    pub threads: usize,
}

impl BackwardInput<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        let Linear { rows, inputs, outputs, .. } = self.layer;
        if rows * inputs == 0 {
            return;
        }
        match rows {
            _ if outputs == 0 => dx.fill(0.0),
            rows if rows <= FEW => self.few(simd, dx),
            rows if rows <= LEFT => self.left(simd, dx),
            _ => self.packed(simd, dx),
        }
    }

    /// dx, cut into ranges of inputs.
    fn jobs<'a>(&self, dx: &'a mut [f32]) -> Vec<(Range<usize>, Matrix<'a>)> {
        let Linear { rows, inputs, .. } = self.layer;
        let parts = if self.threads > 1 { (8 * self.threads).min(inputs.div_ceil(24)) } else { 1 };
        Matrix::new(dx, [rows, inputs], inputs).cut(split(inputs, parts))
    }

    #[inline(always)]
    fn few<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        let Linear { outputs, row_stride, .. } = self.layer;
        for_each(self.threads, self.jobs(dx).into_iter(), |(range, out)| {
            let first = range.start;
            simd.vectorize(Dots { dy: self.dy, outputs, w: self.w, stride: row_stride, first, out });
        });
    }

    /// `dx' = W dy'`, with the weights as the left operand.
    #[inline(always)]
    fn left<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        let Linear { rows, outputs, row_stride, .. } = self.layer;
        let width = panel_width::<S>(rows);
        let panels = rows.div_ceil(width);
        let mut packed = Scratch::new(panels * outputs * width);
        for (index, panel) in packed.chunks_mut(outputs * width).enumerate() {
            let size = [outputs, width.min(rows - index * width)];
            pack_columns(simd, (&self.dy[index * width * outputs..], outputs), size, (panel, width));
        }
        let offsets = steps(0..outputs, 1);
        let offsets = Indices::new(&offsets);
        for_each(self.threads, self.jobs(dx).into_iter(), |(range, mut out)| {
            let bases = steps(range, row_stride);
            let left = Left { x: self.w, bases: Indices::new(&bases), offsets };
            let right = Packed { data: &packed, depth: outputs, width, lines: None };
            let write = |inputs: Range<usize>, index: usize, sums: &mut [f32]| {
                for c in 0..width.min(rows - index * width) {
                    let to = &mut out.row(index * width + c)[inputs.clone()];
                    to.iter_mut().zip(sums.chunks_exact(width)).for_each(|(to, from)| *to = from[c]);
                }
            };
            let blocks = Blocks::of(width);
            simd.vectorize(Staged { left, right, panels: 0..panels, width, blocks, bias: None, relu: false, write });
        });
    }

    #[inline(always)]
    fn packed<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let width = panel_width::<S>(inputs);
        let mut packed = Scratch::new(inputs.div_ceil(width) * outputs * width);
        for_each(self.threads, packed.chunks_mut(outputs * width).enumerate(), |(index, panel)| {
            let first = index * width;
            let columns = width.min(inputs - first);
            pack_columns(simd, (&self.w[first * row_stride..], row_stride), [outputs, columns], (panel, width));
        });
        let layer = Linear { rows, inputs: outputs, outputs: inputs, row_stride };
        let pass = Forward { layer, x: self.dy, w: self.w, b: None, relu: false, threads: self.threads };
        pass.packed(simd, Packed { data: &packed, depth: outputs, width, lines: None }, dx);
    }
}
