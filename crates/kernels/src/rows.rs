//! The rows of blocks of a sparse layer, and how they are cut into jobs.
use crate::layer::Layer;
use crate::pattern::{Blocks, Shape};
use crate::pool::split;
use std::ops::Range;

/// Multiply-adds below which a second thread costs more than it does.
const FEW: f64 = 1e6;

/// All rows of blocks of a layer.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    shape: Shape,
    height: usize,
}

/// Some rows of blocks, and of each sample their output channels.
pub(crate) type Outputs<'a> = (Range<usize>, Vec<&'a mut [f32]>);

/// Some rows of blocks, and the gradients of their weights and biases.
pub(crate) type Gradients<'a> = (Range<usize>, &'a mut [f32], &'a mut [f32]);

impl Rows {
    /// Those of a layer with these blocks; and how many of the threads are worth while for them.
    pub fn of(layer: &Layer, blocks: &Blocks<'_>, threads: usize) -> (Self, usize) {
        let shape = Shape::of(layer);
        let density = blocks.kept() as f64 / shape.positions.max(1) as f64;
        let threads = if layer.flops() * density < FEW { 1 } else { threads.max(1) };
        (Self { shape, height: blocks.height() }, threads)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shape.rows(self.height)
    }

    /// Outputs of each.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The group of a row.
    pub fn group(&self, row: usize) -> usize {
        self.shape.outputs_of(row, self.height).0
    }

    /// The output channels of some of them.
    pub fn outputs(&self, rows: &Range<usize>) -> Range<usize> {
        let of = |row| self.shape.outputs_of(row, self.height).1;
        if rows.is_empty() { 0..0 } else { of(rows.start).start..of(rows.end - 1).end }
    }

    /// Some of them cut into stretches of one group and at most so many output channels, or a single row.
    #[inline(always)]
    pub fn stretches(&self, rows: Range<usize>, channels: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (each, most) = (self.shape.rows_of_group(self.height), (channels / self.height).max(1));
        let mut start = rows.start;
        std::iter::from_fn(move || {
            let end = ((start / each + 1) * each).min(start + most).min(rows.end);
            let stretch = start..end;
            start = end;
            (!stretch.is_empty()).then_some(stretch)
        })
    }

    /// The output of some samples of `size` elements, of so many pixels a channel, in so many parts.
    pub fn parts<'y>(&self, y: &'y mut [f32], (size, pixels): (usize, usize), parts: usize) -> Vec<Outputs<'y>> {
        let part = |rows| (rows, Vec::with_capacity(y.len() / size));
        let mut parts: Vec<_> = split(self.count(), parts).map(part).collect();
        for mut sample in y.chunks_mut(size) {
            for (rows, out) in &mut parts {
                let (head, rest) = sample.split_at_mut(self.outputs(rows).len() * pixels);
                out.push(head);
                sample = rest;
            }
        }
        parts
    }

    /// The gradients of weights, of `row` elements each, and biases, in parts for so many threads.
    pub fn gradients<'g>(
        &self,
        (mut dw, row): (&'g mut [f32], usize),
        db: Option<&'g mut [f32]>,
        threads: usize,
    ) -> Vec<Gradients<'g>> {
        let (wanted, mut db) = (db.is_some(), db.unwrap_or_default());
        let parts = if threads > 1 { 4 * threads } else { 1 };
        let mut jobs = Vec::new();
        for rows in split(self.count(), parts).filter(|rows| !rows.is_empty()) {
            let (some, rest) = dw.split_at_mut(rows.len() * row);
            let (bias, others) = db.split_at_mut(if wanted { self.outputs(&rows).len() } else { 0 });
            jobs.push((rows, some, bias));
            (dw, db) = (rest, others);
        }
        jobs
    }
}
