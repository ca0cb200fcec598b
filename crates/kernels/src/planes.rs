//! Activations with the pixels innermost, so that every position of a kernel is one distance for all pixels.
use crate::axis::Axis;
use crate::gather::prefetch;
use crate::layer::{Conv2d, Layer, Linear};
use crate::simd::{copy_few, dispatch};
use crate::stride::{every, spread};
use crate::transpose::Transpose;
use pulp::Simd;
use std::ops::Range;

/// How some samples lie as planes. Pixel `(row, column)` of the output of sample `s` is at `(s * rows + row) * columns + column`, and what a position of
/// the kernel sees of it lies as far from there as [`offsets`](Self::offsets) says. The zeros on the right of a line are those on the left of the next
/// one, and those below a sample are those above the next one. With a stride, every residue is a plane of its own.
///
/// A linear layer is a convolution of images of one pixel.
pub(crate) struct Planes {
    conv: Conv2d,
    /// Down and right.
    axes: [Axis; 2],
    lanes: usize,
}

impl Planes {
    pub fn new(layer: &Layer, lanes: usize) -> Self {
        let conv = normal(layer);
        Self { axes: [0, 1].map(|a| Axis::new(&conv, a)), conv, lanes }
    }

    /// The layer as a convolution.
    pub fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// Pixels of the output of a sample.
    pub fn pixels(&self) -> usize {
        self.axes[0].out * self.axes[1].out
    }

    /// Elements from the first pixel of a sample to that of the next.
    pub fn sample(&self) -> usize {
        self.axes[0].length * self.axes[1].length
    }

    /// Elements from the first pixel of the first of `samples` to the last pixel of the last, in whole vectors.
    pub fn length(&self, samples: usize) -> usize {
        let [down, right] = &self.axes;
        let last = (samples * down.length).saturating_sub(down.length - down.out) * right.length;
        last.saturating_sub(right.length - right.out).next_multiple_of(self.lanes)
    }

    /// Elements from one plane of the input to the next.
    pub fn span(&self, samples: usize) -> usize {
        let [down, right] = &self.axes;
        let reach = down.reach * right.length + right.reach;
        (self.length(samples) + reach).max(samples * self.sample()).next_multiple_of(self.lanes)
    }

    /// Planes of an input channel.
    pub fn residues(&self) -> usize {
        self.axes[0].residues.len() * self.axes[1].residues.len()
    }

    /// How far each position of a group sees.
    pub fn offsets(&self, samples: usize) -> Vec<u32> {
        let (conv, span, [rows, columns]) = (&self.conv, self.span(samples), &self.axes);
        let mut window = Vec::with_capacity(conv.kernel[0] * conv.kernel[1]);
        for (top, down) in (0..conv.kernel[0]).map(|k| rows.sees(k)) {
            for (left, right) in (0..conv.kernel[1]).map(|l| columns.sees(l)) {
                window.push(((top * columns.residues.len() + left) * span + down * columns.length + right) as u32);
            }
        }
        let channels = (0..conv.group_inputs()).map(|channel| (channel * self.residues() * span) as u32);
        channels.flat_map(|first| window.iter().map(move |at| first + at)).collect()
    }

    /// Whether the planes of a sample are the sample itself: nothing but whole vectors of pixels, each seen by one position.
    pub fn is_direct(&self) -> bool {
        let conv = &self.conv;
        let plain = conv.kernel == [1, 1] && conv.stride == [1, 1] && conv.padding == [0, 0];
        plain && !self.is_flat() && self.pixels().is_multiple_of(self.lanes)
    }

    /// Writes the planes of some channels of some samples; `x` starts at the first of the samples.
    #[inline(always)]
    pub fn fill_input<S: Simd>(&self, simd: S, x: &[f32], samples: usize, channels: Range<usize>, planes: &mut [f32]) {
        let span = self.span(samples);
        if self.is_flat() {
            let from = (&x[channels.start..], self.conv.inputs);
            dispatch(Transpose { from, size: [samples, channels.len()], to: (planes, span) });
            planes.chunks_exact_mut(span).for_each(|plane| plane[samples..].fill(0.0));
            return;
        }
        let image = self.conv.size[0] * self.conv.size[1];
        let lines = self.lines(samples);
        for (channel, planes) in channels.zip(planes.chunks_exact_mut(self.residues() * span)) {
            let mut end = 0;
            for line in &lines {
                let from = &x[(line.sample * self.conv.inputs + channel) * image + line.image..];
                zero(&mut planes[end..line.plane]);
                every(simd, from, self.conv.stride[1], &mut planes[line.plane..][..line.count]);
                end = line.plane + line.count;
            }
            planes[end..].fill(0.0);
        }
    }

    /// Writes planes like those of [`fill_input`](Self::fill_input) to the gradient of the input.
    #[inline(always)]
    pub fn write_input<S: Simd>(&self, simd: S, planes: &[f32], samples: usize, dx: &mut [&mut [f32]]) {
        let span = self.span(samples);
        if self.is_flat() {
            write_rows(planes, span, 0..self.conv.inputs, 0..samples, dx);
            return;
        }
        let image = self.conv.size[0] * self.conv.size[1];
        dx.iter_mut().for_each(|dx| dx.fill(0.0));
        let lines = self.lines(samples);
        for (channel, planes) in planes.chunks_exact(self.residues() * span).enumerate() {
            for line in &lines {
                let to = &mut dx[line.sample][channel * image + line.image..];
                spread(simd, &planes[line.plane..][..line.count], to, self.conv.stride[1]);
            }
        }
    }

    /// Whether samples have one pixel only, in one plane.
    pub fn is_flat(&self) -> bool {
        self.conv.size == [1, 1] && self.conv.padding == [0, 0] && self.sample() == 1 && self.residues() == 1
    }

    /// Every line that has pixels of the input, of the planes of one channel.
    fn lines(&self, samples: usize) -> Vec<Line> {
        let (span, [down, right]) = (self.span(samples), &self.axes);
        let mut lines = Vec::new();
        for (top, &below) in down.residues.iter().enumerate() {
            for (left, &beside) in right.residues.iter().enumerate() {
                let plane = (top * right.residues.len() + left) * span;
                let (rows, columns) = (down.places(below), right.places(beside));
                if columns.is_empty() {
                    continue;
                }
                let first = right.pixel(beside, columns.start);
                for sample in 0..samples {
                    for row in rows.clone() {
                        let image = down.pixel(below, row) * self.conv.size[1] + first;
                        let plane = plane + (sample * down.length + row) * right.length + columns.start;
                        lines.push(Line { sample, plane, image, count: columns.len() });
                    }
                }
            }
        }
        lines
    }

    /// The planes of the gradient of some output channels, zero where there is no pixel; `dy` starts at the first of the samples.
    #[inline(always)]
    pub fn fill_output(
        &self,
        dy: &[f32],
        samples: usize,
        (channels, runs): (Range<usize>, &[Run]),
        planes: &mut [f32],
    ) {
        let (length, pixels) = (self.length(samples), self.pixels());
        if self.is_flat() {
            let from = (&dy[channels.start..], self.conv.outputs);
            dispatch(Transpose { from, size: [samples, channels.len()], to: (planes, length) });
            planes.chunks_exact_mut(length).for_each(|plane| plane[samples..].fill(0.0));
            return;
        }
        for (channel, plane) in channels.zip(planes.chunks_exact_mut(length)) {
            let mut end = 0;
            for run in runs {
                let from = (run.sample * self.conv.outputs + channel) * pixels + run.pixel;
                zero(&mut plane[end..run.at]);
                copy_few(&dy[from..][..run.count], &mut plane[run.at..][..run.count]);
                end = run.at + run.count;
            }
            plane[end..].fill(0.0);
        }
    }

    /// Asks for the memory that [`write_output`](Self::write_output) will write to with the same arguments.
    #[inline(always)]
    pub fn prefetch_output(&self, (range, runs): (Range<usize>, &[Run]), channels: Range<usize>, y: &[&mut [f32]]) {
        if self.is_flat() {
            y[range.start..range.end.min(y.len())].iter().for_each(|row| prefetch(&row[channels.clone()]));
            return;
        }
        let pixels = self.pixels();
        for channel in channels {
            for run in runs {
                prefetch(&y[run.sample][channel * pixels + run.pixel..][..run.count]);
            }
        }
    }

    /// Writes the part `range` of the planes of some output channels, `[channels, range]`, to `y[sample][channel]`; `runs` are those of the range.
    #[inline(always)]
    pub fn write_output(
        &self,
        tile: &[f32],
        (range, runs): (Range<usize>, &[Run]),
        channels: Range<usize>,
        y: &mut [&mut [f32]],
    ) {
        if self.is_flat() {
            let samples = range.start..range.end.min(y.len());
            write_rows(tile, range.len(), channels, samples, y);
            return;
        }
        let pixels = self.pixels();
        for (channel, line) in channels.zip(tile.chunks_exact(range.len())) {
            for run in runs {
                let to = &mut y[run.sample][channel * pixels + run.pixel..][..run.count];
                copy_few(&line[run.at..][..run.count], to);
            }
        }
    }

    /// The pixels of the output within a range of a plane, as stretches of a line; of a sample, where nothing is between its lines.
    pub fn runs(&self, range: Range<usize>, samples: usize) -> impl Iterator<Item = Run> + '_ {
        let flat = self.is_flat();
        let [down, right] = &self.axes;
        let [rows, pitch, down, right] = match right.out == right.length {
            true => [1, self.sample(), 1, self.pixels()],
            false => [down.length, right.length, down.out, right.out],
        };
        let lines = range.start / pitch..range.end.div_ceil(pitch).min(samples * rows);
        lines.filter(move |_| !flat).filter_map(move |line| {
            let (sample, row) = (line / rows, line % rows);
            let start = (line * pitch).max(range.start);
            let end = (line * pitch + right).min(range.end);
            let pixel = row * right + start - line * pitch;
            let run = Run { at: start - range.start, sample, pixel, count: end.saturating_sub(start) };
            (row < down && start < end).then_some(run)
        })
    }
}

/// A line of a plane and the pixels of the input that lie there.
struct Line {
    sample: usize,
    /// Where it begins in the planes of a channel.
    plane: usize,
    /// Where it begins in the image.
    image: usize,
    count: usize,
}

/// Some pixels of one line of the output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Where they begin in the range.
    at: usize,
    sample: usize,
    pixel: usize,
    count: usize,
}

fn normal(layer: &Layer) -> Conv2d {
    match *layer {
        Layer::Linear(Linear { rows, inputs, outputs, .. }) => Conv2d {
            batch: rows,
            inputs,
            outputs,
            groups: 1,
            size: [1, 1],
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            row_stride: inputs,
        },
        Layer::Conv2d(conv) => conv,
    }
}

/// Fills few elements without a call.
#[inline(always)]
fn zero(to: &mut [f32]) {
    to.iter_mut().for_each(|v| *v = 0.0);
}

/// Columns that are transposed at a time: whole cache lines of what is written.
const COLUMNS: usize = 64;

/// `rows[r][columns.start + c] = planes[c * stride + r - range.start]` for the rows of `range`.
#[inline(always)]
fn write_rows(planes: &[f32], stride: usize, columns: Range<usize>, range: Range<usize>, rows: &mut [&mut [f32]]) {
    let mut block = [0.0; 16 * COLUMNS];
    for first in (0..columns.len()).step_by(COLUMNS) {
        let count = COLUMNS.min(columns.len() - first);
        for start in range.clone().step_by(16) {
            let some = 16.min(range.end - start);
            let from = (&planes[first * stride + start - range.start..], stride);
            dispatch(Transpose { from, size: [count, some], to: (&mut block, COLUMNS) });
            for (row, line) in rows[start..start + some].iter_mut().zip(block.chunks_exact(COLUMNS)) {
                copy_few(&line[..count], &mut row[columns.start + first..][..count]);
            }
        }
    }
}
