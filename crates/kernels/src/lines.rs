//! Block-sparse convolutions on lines: activations with the samples innermost.
use crate::axis::Axis;
use crate::layer::{Conv2d, Layer};
use crate::planes::Planes;
use crate::simd::lanes;
use crate::transpose::{NOWHERE, columns_of, rows_of};
use pulp::Simd;
use std::ops::Range;

mod passes;
mod sorted;

use passes::FEW;
pub(crate) use passes::run;

/// Bytes of lines that one job takes: with its output, they stay in the second-level cache.
const CACHED: usize = 512 << 10;
/// Bytes of lines that it may take where the cache does not hold those of [`FULL`] samples: what is in use at a time stays in the third-level cache.
const LARGE: usize = 4 << 20;
/// Samples that fill a vector.
const FULL: usize = 16;
/// Channels that are moved at a time: their pixels fill whole vectors, however few a channel has.
pub(crate) const CHANNELS: usize = 8;
/// Pixels from which on a line is long.
const LONG: usize = 16;
/// Output channels, at most, that a line is computed for before the next.
pub(crate) const MOST: usize = 32;

/// How some samples lie as lines: `[channel][row][residue of the stride][column][sample]`. A position of the kernel moves a line of the output by one
/// distance, and nothing is computed but the line itself: positions above and below the input are left out, those beside it see zeros.
pub(crate) struct Lines {
    conv: Conv2d,
    /// Down and right.
    axes: [Axis; 2],
    samples: usize,
    lanes: usize,
    /// Where the pixels of some channels lie, from the first line of the first.
    input: Vec<u32>,
    output: Vec<u32>,
    /// The zeros of a row.
    zeros: Vec<Range<usize>>,
}

impl Lines {
    pub fn new(conv: &Conv2d, samples: usize, lanes: usize) -> Self {
        let axes = [0, 1].map(|a| Axis::new(conv, a));
        let (input, output) = (Vec::new(), Vec::new());
        let mut this = Self { conv: *conv, axes, samples, lanes, input, output, zeros: Vec::new() };
        let (row, zeros) = this.row();
        let (step, width) = (this.step(), this.width());
        for line in 0..CHANNELS * conv.size[0] {
            let place = |&at: &usize| if at == usize::MAX { NOWHERE } else { (line * step + at * samples) as u32 };
            this.input.extend(row.iter().map(place));
        }
        for line in 0..CHANNELS * this.axes[0].out {
            this.output.extend((0..this.axes[1].out).map(|at| (line * width + at * samples) as u32));
        }
        this.zeros = zeros.into_iter().map(|places| places.start * samples..places.end * samples).collect();
        this
    }

    /// The place of each pixel of a row of the input, and the places of zeros.
    fn row(&self) -> (Vec<usize>, Vec<Range<usize>>) {
        let right = &self.axes[1];
        let (mut row, mut zeros) = (vec![usize::MAX; self.conv.size[1]], Vec::new());
        let mut next = 0;
        for (i, &residue) in right.residues.iter().enumerate() {
            let (first, places) = (i * right.length, right.places(residue));
            zeros.push(next..first + places.start);
            next = first + places.end;
            places.for_each(|place| row[right.pixel(residue, place)] = first + place);
        }
        zeros.push(next..right.residues.len() * right.length);
        (row, zeros)
    }

    /// Elements of a row of the input.
    pub fn step(&self) -> usize {
        self.axes[1].residues.len() * self.axes[1].length * self.samples
    }

    /// Elements of a channel of the input.
    pub fn channel(&self) -> usize {
        self.conv.size[0] * self.step()
    }

    /// Elements of a line of the output, in whole vectors.
    pub fn width(&self) -> usize {
        (self.axes[1].out * self.samples).next_multiple_of(self.lanes)
    }

    /// Lines of the output.
    pub fn rows(&self) -> usize {
        self.axes[0].out
    }

    /// Elements of a channel of the output.
    pub fn plane(&self) -> usize {
        self.rows() * self.width()
    }

    /// Elements before the first channel of the input: rows above it, which are never used.
    pub fn head(&self) -> usize {
        self.conv.padding[0] * self.step()
    }

    /// Elements of the input with what lies before and after it.
    pub fn span(&self) -> usize {
        let channels = self.head() + self.conv.inputs * self.channel();
        let last = self.at(self.rows().saturating_sub(1)) + self.width();
        let beyond = (self.conv.kernel[0] - 1) * self.conv.dilation[0] * self.step();
        channels.max(
            self.conv.inputs.saturating_sub(1) * self.channel()
                + last
                + beyond
                + self.step()
                + self.axes[1].reach * self.samples,
        )
    }

    /// Output channels that a line is computed for before the next: more where the cache holds the rows that it sees, but not all rows.
    pub fn together(&self) -> usize {
        if self.span() * size_of::<f32>() > 2 * CACHED { MOST } else { CHANNELS }
    }

    /// The channels of the input, with zeros before and after them.
    pub fn framed<'i>(&self, input: &'i mut [f32]) -> &'i mut [f32] {
        let end = self.head() + self.conv.inputs * self.channel();
        input[..self.head()].fill(0.0);
        input[end..].fill(0.0);
        self.channels_mut(input)
    }

    /// The channels of the input.
    pub fn channels_mut<'i>(&self, input: &'i mut [f32]) -> &'i mut [f32] {
        &mut input[self.head()..][..self.conv.inputs * self.channel()]
    }

    /// Where a line of the output begins in the input, from the head on.
    pub fn at(&self, row: usize) -> usize {
        row * self.conv.stride[0] * self.step()
    }

    /// Rows of the input from one line of the output to the next, in elements.
    pub fn stride(&self) -> usize {
        self.at(1)
    }

    /// The rows of the kernel that a line of the output sees the input from.
    pub fn seen(&self, row: usize) -> Range<usize> {
        self.axes[0].positions(row, self.conv.kernel[0])
    }

    /// The lines of the output that see the input from a row of the kernel.
    pub fn seeing(&self, k: usize) -> Range<usize> {
        self.axes[0].outputs(k)
    }

    /// How far each position of a group sees.
    pub fn offsets(&self) -> Vec<u32> {
        let (conv, [_, right]) = (&self.conv, &self.axes);
        let mut offsets = Vec::with_capacity(conv.row());
        for channel in 0..conv.group_inputs() {
            for k in 0..conv.kernel[0] {
                for l in 0..conv.kernel[1] {
                    let (residue, far) = right.sees(l);
                    let row = channel * self.channel() + k * conv.dilation[0] * self.step();
                    offsets.push((row + (residue * right.length + far) * self.samples) as u32);
                }
            }
        }
        offsets
    }

    /// Writes the lines of some channels; `x` starts at the first of the samples, `lines` at the first row of the first channel.
    #[inline(always)]
    pub fn fill_input<S: Simd>(&self, simd: S, x: &[f32], channels: Range<usize>, lines: &mut [f32]) {
        let image = self.conv.size[0] * self.conv.size[1];
        for (first, lines) in channels.clone().step_by(CHANNELS).zip(lines.chunks_mut(CHANNELS * self.channel().max(1)))
        {
            let pixels = CHANNELS.min(channels.end - first) * image;
            for row in lines.chunks_exact_mut(self.step()) {
                self.zeros.iter().for_each(|zeros| row[zeros.clone()].fill(0.0));
            }
            let from = (&x[first * image..], self.conv.inputs * image);
            columns_of(simd, from, [self.samples, pixels], (lines, &self.input));
        }
    }

    /// Writes lines like those of [`fill_input`](Self::fill_input) to the gradient of these channels of each sample.
    #[inline(always)]
    pub fn write_input<S: Simd>(&self, simd: S, lines: &[f32], dx: &mut [&mut [f32]]) {
        let image = self.conv.size[0] * self.conv.size[1];
        for (i, lines) in lines.chunks(CHANNELS * self.channel().max(1)).enumerate() {
            let first = i * CHANNELS * image;
            rows_of(simd, (lines, &self.input), dx, first..first + lines.len() / self.channel() * image);
        }
    }

    /// Writes the lines of the gradient of at most [`CHANNELS`] output channels, zero behind each; `dy` starts at the first of the samples.
    #[inline(always)]
    pub fn fill_output<S: Simd>(&self, simd: S, dy: &[f32], channels: Range<usize>, lines: &mut [f32]) {
        let pixels = self.rows() * self.axes[1].out;
        for line in lines[..channels.len() * self.plane()].chunks_exact_mut(self.width().max(1)) {
            line[self.axes[1].out * self.samples..].fill(0.0);
        }
        let from = (&dy[channels.start * pixels..], self.conv.outputs * pixels);
        columns_of(simd, from, [self.samples, channels.len() * pixels], (lines, &self.output));
    }

    /// Writes lines like those of [`fill_output`](Self::fill_output) to the output.
    #[inline(always)]
    pub fn write_output<S: Simd>(&self, simd: S, lines: &[f32], channels: Range<usize>, y: &mut [&mut [f32]]) {
        let pixels = self.rows() * self.axes[1].out;
        rows_of(simd, (lines, &self.output), y, channels.start * pixels..channels.end * pixels);
    }
}

/// Whether lines take fewer vectors than planes in their frames; a tenth fewer where planes have long lines of neighbours to copy, as was measured.
pub(crate) fn pay(conv: &Conv2d) -> bool {
    let planes = Planes::new(&Layer::Conv2d(*conv), lanes());
    let (samples, vectors) = together(conv, lanes(), 1);
    let frames = conv.batch * planes.sample() / lanes();
    let is_long = conv.output_size()[1] > LONG && conv.stride[1] == 1;
    let most = if is_long { frames - frames / 10 } else { frames };
    samples >= FEW && !planes.is_direct() && vectors <= most
}

/// How many samples lie side by side, and the vectors of all lines: as many as the cache holds and every thread gets, so that the vectors are fewest.
pub(crate) fn together(conv: &Conv2d, lanes: usize, threads: usize) -> (usize, usize) {
    /// Samples beyond which nothing is gained.
    const SAMPLES: usize = 64;
    let [down, right] = [0, 1].map(|a| Axis::new(conv, a));
    let each = conv.inputs * conv.size[0] * right.residues.len() * right.length * size_of::<f32>();
    let most = (CACHED / each.max(1)).max(FULL.min(LARGE / each.max(1)));
    let most = most.min(SAMPLES).min(conv.batch.div_ceil(threads.max(1))).max(1);
    // Twice the vectors of a line, and one for what a line costs besides.
    let line = |samples: usize| if samples == 0 { 0 } else { 2 * (samples * right.out).div_ceil(lanes) + 1 };
    let cost = |samples: &usize| (conv.batch / samples * line(*samples) + line(conv.batch % samples)) * down.out;
    let best = (1..=most).rev().min_by_key(cost).unwrap_or(1);
    (best, cost(&best) / 2)
}
