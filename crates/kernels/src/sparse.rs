//! How a sparse layer is cut into jobs and tiles.
use crate::pattern::{Blocks, Shape};
use crate::planes::{Planes, Run};
use crate::pool::split;
use pulp::Simd;
use std::ops::Range;

mod passes;

pub(crate) use passes::run;

/// Bytes of planes that one job takes: with what else it needs, they stay in the second-level cache.
const CACHED: usize = 384 << 10;
/// Bytes of the output's planes that are in use at a time.
const OUTPUT: usize = 64 << 10;
/// Output channels that are written at a time, at most: whole cache lines of a linear layer's output. Of a convolution, whose channels are far apart,
/// a row of blocks is.
pub(crate) const CHANNELS: usize = 64;
/// Pixels that gradients of weights are summed over at a time: those of a row of blocks stay in the first-level cache.
pub(crate) const PIXELS: usize = 512;

/// A pass over a sparse layer.
pub(crate) struct Pass<'a> {
    pub planes: Planes,
    pub shape: Shape,
    pub blocks: Blocks<'a>,
    pub threads: usize,
}

/// Some samples by some rows of blocks: for each sample, its output channels of those rows.
pub(crate) struct Part<'a> {
    pub samples: Range<usize>,
    pub rows: Range<usize>,
    pub out: Vec<&'a mut [f32]>,
}

/// A tile of pixels: where it begins, its vectors, and its stretches among all.
pub(crate) struct Tile {
    pub at: usize,
    pub vectors: usize,
    pub runs: Range<usize>,
}

impl Pass<'_> {
    /// Samples of a job when each has `channels` planes.
    pub fn samples(&self, channels: usize) -> usize {
        if self.planes.is_direct() {
            return 1;
        }
        let each = channels * self.planes.sample() * size_of::<f32>();
        let most = (CACHED / each.max(1)).max(1);
        let batch = self.planes.conv().batch;
        let jobs = batch.div_ceil(most).next_multiple_of(self.threads);
        batch.div_ceil(jobs).max(1)
    }

    /// Elements of a sample of x, and of y.
    pub fn sizes(&self) -> [usize; 2] {
        let conv = self.planes.conv();
        [conv.inputs * conv.size[0] * conv.size[1], conv.outputs * self.planes.pixels()]
    }

    /// Rows of blocks.
    pub fn rows(&self) -> usize {
        self.shape.rows(self.blocks.height())
    }

    /// The output channels of some rows of blocks.
    pub fn outputs(&self, rows: &Range<usize>) -> Range<usize> {
        let of = |row| self.shape.outputs_of(row, self.blocks.height()).1;
        if rows.is_empty() { 0..0 } else { of(rows.start).start..of(rows.end - 1).end }
    }

    /// Some rows of blocks cut into stretches of one group and at most `channels` output channels.
    #[inline(always)]
    pub fn stretches(&self, rows: Range<usize>, channels: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (each, most) = (self.shape.rows_of_group(self.blocks.height()), (channels / self.blocks.height()).max(1));
        let mut start = rows.start;
        std::iter::from_fn(move || {
            let end = ((start / each + 1) * each).min(start + most).min(rows.end);
            let stretch = start..end;
            start = end;
            (!stretch.is_empty()).then_some(stretch)
        })
    }

    /// The tiles of some samples, as wide as `widest` says for blocks of a height and so many vectors, and their stretches.
    #[inline(always)]
    pub fn tiles<S: Simd>(&self, samples: usize, widest: impl Fn(usize, usize) -> usize) -> (Vec<Tile>, Vec<Run>) {
        let (mut tiles, mut runs) = (Vec::new(), Vec::new());
        let (mut at, length) = (0, self.planes.length(samples));
        while at < length {
            let vectors = widest(self.blocks.height(), (length - at) / S::F32_LANES);
            let (end, first) = (at + vectors * S::F32_LANES, runs.len());
            runs.extend(self.planes.runs(at..end, samples));
            tiles.push(Tile { at, vectors, runs: first..runs.len() });
            at = end;
        }
        (tiles, runs)
    }

    /// The values of a row of blocks.
    #[inline(always)]
    pub fn values<'v>(&self, row: usize, values: &'v [f32]) -> &'v [f32] {
        let each = self.blocks.stored() * self.blocks.height();
        &values[row * each..][..each]
    }

    /// Elements of the planes of a group of input channels.
    pub fn group(&self, samples: usize) -> usize {
        self.planes.conv().group_inputs() * self.planes.residues() * self.planes.span(samples)
    }

    /// Where the planes begin that a row of blocks reads.
    pub fn group_of(&self, row: usize, samples: usize) -> usize {
        self.shape.outputs_of(row, self.blocks.height()).0 * self.group(samples)
    }

    /// The output by samples, and by rows of blocks where there are too few samples for all threads.
    pub fn parts<'y>(&self, y: &'y mut [f32]) -> Vec<Part<'y>> {
        let conv = self.planes.conv();
        let each = self.samples(conv.inputs * self.planes.residues());
        let (pixels, [_, size]) = (self.planes.pixels(), self.sizes());
        let cuts = if conv.batch.div_ceil(each) < self.threads { self.threads } else { 1 };
        let mut parts = Vec::new();
        for (i, samples) in y.chunks_mut(each * size).enumerate() {
            let count = samples.len() / size;
            let part = |rows| Part { samples: i * each..i * each + count, rows, out: Vec::with_capacity(count) };
            let mut some: Vec<Part<'_>> = split(self.rows(), cuts).map(part).collect();
            for mut sample in samples.chunks_mut(size) {
                for part in &mut some {
                    let (head, rest) = sample.split_at_mut(self.outputs(&part.rows).len() * pixels);
                    part.out.push(head);
                    sample = rest;
                }
            }
            parts.extend(some);
        }
        parts
    }

    /// The gradients of weights and bias, cut by rows of blocks.
    pub fn gradients<'g>(&self, mut dw: &'g mut [f32], db: Option<&'g mut [f32]>) -> Vec<Gradients<'g>> {
        let row = self.blocks.stored() * self.blocks.height();
        let (wanted, mut db) = (db.is_some(), db.unwrap_or_default());
        let parts = if self.threads > 1 { 4 * self.threads } else { 1 };
        let mut jobs = Vec::new();
        for rows in split(self.rows(), parts) {
            let (some, rest) = dw.split_at_mut(rows.len() * row);
            let (bias, others) = db.split_at_mut(if wanted { self.outputs(&rows).len() } else { 0 });
            jobs.push((rows, some, bias));
            (dw, db) = (rest, others);
        }
        jobs
    }

    /// The output planes of a stretch of rows of blocks, zero where there is no pixel and no channel; from `dy` or in `memory`.
    #[inline(always)]
    pub fn output<'o>(
        &self,
        rows: &Range<usize>,
        (dy, samples): (&'o [f32], usize),
        runs: &[Run],
        memory: &'o mut [f32],
    ) -> &'o [f32] {
        let (length, outputs) = (self.planes.length(samples), self.outputs(rows));
        let planes = rows.len() * self.blocks.height();
        if self.planes.is_direct() && outputs.len() == planes {
            return &dy[outputs.start * length..outputs.end * length];
        }
        let (used, rest) = memory[..planes * length].split_at_mut(outputs.len() * length);
        self.planes.fill_output(dy, samples, (outputs, runs), used);
        rest.fill(0.0);
        memory
    }

    /// Output channels whose planes are in use at a time.
    pub fn channels(&self, samples: usize) -> usize {
        let most = OUTPUT / (self.planes.length(samples) * size_of::<f32>()).max(1);
        most.clamp(1, CHANNELS).next_multiple_of(self.blocks.height())
    }
}

/// Rows of blocks, and the gradients of their weights and biases.
pub(crate) type Gradients<'a> = (Range<usize>, &'a mut [f32], &'a mut [f32]);
