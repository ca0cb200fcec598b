//! `y = x W + b`.
use super::few::Streamed;
use super::{FEW, SOME, panel_width, steps};
use crate::layer::Linear;
use crate::matrix::Matrix;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Bias, Blocks, HEIGHT, InPlace, Left, OnTheFly, Packed, Product, Right, Terms};
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

/// Up to so many rows, weights are packed by the thread that uses them, some panels at a time.
const ON_THE_FLY: usize = 256;
/// Rows of the weights that are read at a time where they are read in place.
const LINES: usize = 16;
/// Panels that a job packs.
const PACKED: usize = 8;

pub(crate) struct Forward<'a> {
    pub layer: Linear,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub b: Option<&'a [f32]>,
    pub relu: bool,
    pub threads: usize,
}

impl Forward<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, y: &mut [f32]) {
        let Linear { rows, outputs, .. } = self.layer;
        if rows * outputs == 0 {
            return;
        }
        match rows {
            rows if rows <= FEW => self.few(simd, y),
            rows if rows <= ON_THE_FLY => self.by_columns(simd, y),
            _ => self.by_rows(simd, y),
        }
    }

    /// Ranges of columns, several for each thread, cut at whole panels.
    fn ranges(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let parts = if self.threads > 1 { 4 * self.threads } else { 1 };
        let outputs = self.layer.outputs;
        split(outputs.div_ceil(width), parts).map(move |part| part.start * width..(part.end * width).min(outputs))
    }

    #[inline(always)]
    fn few<S: Simd>(&self, simd: S, y: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let y = Matrix::new(y, [rows, outputs], outputs);
        let parts = split(outputs.div_ceil(64), self.threads).map(|p| p.start * 64..(p.end * 64).min(outputs));
        for_each(self.threads, y.cut(parts).into_iter(), |(range, out)| {
            let bias = self.b.map(|b| &b[range.clone()]);
            let (x, step, relu) = (self.x, [inputs, 1], self.relu);
            let w = self.w.get(range.start..).unwrap_or_default();
            simd.vectorize(Streamed { x, step, terms: inputs, w, stride: row_stride, bias, relu, out });
        });
    }

    #[inline(always)]
    fn by_columns<S: Simd>(&self, simd: S, y: &mut [f32]) {
        let Linear { rows, inputs, outputs, row_stride } = self.layer;
        let width = panel_width::<S>(outputs);
        let (bases, offsets) = (steps(0..rows, inputs), steps(0..inputs, 1));
        let left = Left { x: self.x, bases: Indices::new(&bases), offsets: Indices::new(&offsets) };
        let terms = Terms { data: self.w, stride: row_stride, columns: outputs, width };
        let y = Matrix::new(y, [rows, outputs], outputs);
        for_each(self.threads, y.cut(self.ranges(width)).into_iter(), |(range, out)| {
            let panels = range.start / width..range.end.div_ceil(width);
            let blocks = Blocks { height: rows, ..Blocks::of(width) };
            if rows <= SOME {
                let blocks = Blocks { depth: LINES, group: panels.len(), ..blocks };
                self.part(simd, left, InPlace::new(terms), (panels, width), blocks, out);
            } else {
                self.part(simd, left, OnTheFly::new(terms), (panels, width), blocks, out);
            }
        });
    }

    #[inline(always)]
    fn by_rows<S: Simd>(&self, simd: S, y: &mut [f32]) {
        let Linear { inputs, outputs, row_stride, .. } = self.layer;
        let width = panel_width::<S>(outputs);
        let panels = outputs.div_ceil(width);
        let terms = Terms { data: self.w, stride: row_stride, columns: outputs, width };
        let mut packed = Scratch::new(panels * inputs * width);
        let jobs = packed.chunks_mut((PACKED * inputs * width).max(1)).enumerate();
        for_each(self.threads, jobs, |(index, part)| {
            let panels = index * PACKED..panels.min((index + 1) * PACKED);
            terms.pack(simd, panels, 0..inputs, part);
        });
        self.packed(simd, Packed { data: &packed, depth: inputs, width, lines: None }, y);
    }

    /// All rows with panels that are packed already.
    #[inline(always)]
    pub fn packed<S: Simd>(&self, simd: S, right: Packed<'_>, y: &mut [f32]) {
        let Linear { rows, inputs, outputs, .. } = self.layer;
        let panels = 0..outputs.div_ceil(right.width);
        let offsets = steps(0..inputs, 1);
        let offsets = Indices::new(&offsets);
        let parts = rows.div_ceil(HEIGHT).next_multiple_of(self.threads.max(1));
        let mut rest = y;
        let mut jobs = Vec::new();
        for range in split(rows, parts) {
            let (part, next) = rest.split_at_mut(range.len() * outputs);
            jobs.push((range, part));
            rest = next;
        }
        for_each(self.threads, jobs.into_iter(), |(range, out)| {
            let bases = steps(0..range.len(), inputs);
            let x = &self.x[range.start * inputs..range.end * inputs];
            let left = Left { x, bases: Indices::new(&bases), offsets };
            let out = Matrix::new(out, [range.len(), outputs], outputs);
            self.part(simd, left, right, (panels.clone(), right.width), Blocks::of(right.width), out);
        });
    }

    /// Some panels of some rows.
    #[inline(always)]
    fn part<S: Simd>(
        &self,
        simd: S,
        left: Left<'_>,
        right: impl Right,
        (panels, width): (Range<usize>, usize),
        blocks: Blocks,
        out: Matrix<'_>,
    ) {
        let bias = self.b.map_or(Bias::Zero, Bias::Columns);
        simd.vectorize(Product { left, right, panels, width, blocks, bias, relu: self.relu, out });
    }
}
