//! How a sparse layer is cut into jobs and tiles.
use crate::gather;
use crate::pattern::Blocks;
use crate::planes::{Planes, Run};
use crate::rows::Rows;
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
    pub rows: Rows,
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

    /// The tiles of some samples, as wide as `widest` says for blocks of a height and so many vectors, and their stretches.
    #[inline(always)]
    pub fn tiles<S: Simd>(&self, samples: usize, widest: impl Fn(usize, usize) -> usize) -> (Vec<Tile>, Vec<Run>) {
        let (mut tiles, mut runs) = (Vec::new(), Vec::new());
        let widest = |vectors| widest(self.blocks.height(), vectors);
        for (at, vectors) in gather::tiles::<S>(self.planes.length(samples), widest) {
            let first = runs.len();
            runs.extend(self.planes.runs(at..at + vectors * S::F32_LANES, samples));
            tiles.push(Tile { at, vectors, runs: first..runs.len() });
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
        self.rows.group(row) * self.group(samples)
    }

    /// The output by samples, and by rows of blocks where there are too few samples for all threads.
    pub fn parts<'y>(&self, y: &'y mut [f32]) -> Vec<Part<'y>> {
        let conv = self.planes.conv();
        let each = self.samples(conv.inputs * self.planes.residues());
        let (pixels, [_, size]) = (self.planes.pixels(), self.planes.conv().sample_sizes());
        let cuts = if conv.batch.div_ceil(each) < self.threads { self.threads } else { 1 };
        let mut parts = Vec::new();
        for (i, samples) in y.chunks_mut(each * size).enumerate() {
            let count = samples.len() / size;
            let some = self.rows.parts(samples, (size, pixels), cuts).into_iter();
            parts.extend(some.map(|(rows, out)| Part { samples: i * each..i * each + count, rows, out }));
        }
        parts
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
        let (length, outputs) = (self.planes.length(samples), self.rows.outputs(rows));
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
