//! Activations with the pixels innermost, so that every position of a kernel is one distance for all pixels.
use crate::layer::{Conv2d, Layer, Linear};
use crate::pool::Scratch;
use crate::simd::transpose;
use std::ops::Range;

/// How some samples lie as planes. Pixel `(row, column)` of the output of sample `s` is at `(s * rows + row) * pitch + column`, and what a position of
/// the kernel sees of it lies as far from there as [`offsets`](Self::offsets) says. The zeros on the right of a line are those on the left of the next
/// one, and those below a sample are those above the next one. With a stride, every residue is a plane of its own.
///
/// A linear layer is a convolution of images of one pixel.
pub(crate) struct Planes {
    conv: Conv2d,
    out: [usize; 2],
    /// Lines of one sample, and elements of a line.
    rows: usize,
    pitch: usize,
    /// Steps from the first position to the last, down and right.
    reach: [usize; 2],
    /// Residues of the stride that positions have, down and right.
    residues: [Vec<usize>; 2],
    lanes: usize,
}

impl Planes {
    pub fn new(layer: &Layer, lanes: usize) -> Self {
        let conv = normal(layer);
        let out = conv.output_size();
        let far = |a: usize, k: usize| k * conv.dilation[a];
        let reach = [0, 1].map(|a| far(a, conv.kernel[a] - 1) / conv.stride[a]);
        let residues = [0, 1].map(|a| {
            let mut found: Vec<usize> = (0..conv.kernel[a]).map(|k| far(a, k) % conv.stride[a]).collect();
            found.sort_unstable();
            found.dedup();
            found
        });
        let [rows, pitch] = [0, 1].map(|a| {
            let zeros = conv.padding[a] / conv.stride[a];
            let data = (conv.size[a] + conv.padding[a]).saturating_sub(1) / conv.stride[a] + 1;
            let seen = out[a] + reach[a];
            data.min(seen).max(seen.saturating_sub(zeros)).max(out[a])
        });
        Self { conv, out, rows, pitch, reach, residues, lanes }
    }

    /// The layer as a convolution.
    pub fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// Pixels of the output of a sample.
    pub fn pixels(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Elements from the first pixel of a sample to that of the next.
    pub fn sample(&self) -> usize {
        self.rows * self.pitch
    }

    /// Elements from the first pixel of the first of `samples` to the last pixel of the last, in whole vectors.
    pub fn length(&self, samples: usize) -> usize {
        let last = (samples * self.rows).saturating_sub(self.rows - self.out[0]) * self.pitch;
        last.saturating_sub(self.pitch - self.out[1]).next_multiple_of(self.lanes)
    }

    /// Elements from one plane of the input to the next.
    pub fn span(&self, samples: usize) -> usize {
        let reach = self.reach[0] * self.pitch + self.reach[1];
        (self.length(samples) + reach).max(samples * self.sample()).next_multiple_of(self.lanes)
    }

    /// Planes of an input channel.
    pub fn residues(&self) -> usize {
        self.residues[0].len() * self.residues[1].len()
    }

    /// How far each position of a group sees.
    pub fn offsets(&self, samples: usize) -> Vec<u32> {
        let (conv, span) = (&self.conv, self.span(samples));
        let along = |a: usize, k: usize| {
            let far = k * conv.dilation[a];
            let residue = self.residues[a].iter().position(|&r| r == far % conv.stride[a]).unwrap_or(0);
            (residue, far / conv.stride[a])
        };
        let mut offsets = Vec::with_capacity(conv.row());
        for channel in 0..conv.group_inputs() {
            for k in 0..conv.kernel[0] {
                for l in 0..conv.kernel[1] {
                    let ((top, down), (left, right)) = (along(0, k), along(1, l));
                    let plane = channel * self.residues() + top * self.residues[1].len() + left;
                    offsets.push((plane * span + down * self.pitch + right) as u32);
                }
            }
        }
        offsets
    }

    /// The planes of some channels of some samples; `x` starts at the first of the samples.
    pub fn input(&self, x: &[f32], samples: usize, channels: Range<usize>) -> Scratch {
        let span = self.span(samples);
        let mut planes = Scratch::new(channels.len() * self.residues() * span);
        self.fill_input(x, samples, channels, &mut planes);
        planes
    }

    /// As [`input`](Self::input), into memory of the right length.
    pub fn fill_input(&self, x: &[f32], samples: usize, channels: Range<usize>, planes: &mut [f32]) {
        let span = self.span(samples);
        if self.is_flat() {
            transpose(&x[channels.start..], self.conv.inputs, [samples, channels.len()], planes, span);
            planes.chunks_exact_mut(span).for_each(|plane| plane[samples..].fill(0.0));
            return;
        }
        planes.fill(0.0);
        let image = self.conv.size[0] * self.conv.size[1];
        self.lines(samples, channels.clone(), |line| {
            let from = &x[(line.sample * self.conv.inputs + channels.start + line.channel) * image + line.image..];
            copy(from, self.conv.stride[1], &mut planes[line.plane..], 1, line.count);
        });
    }

    /// Adds up what lies in planes like those of [`input`](Self::input) into the gradient of the input.
    pub fn write_input(&self, planes: &[f32], samples: usize, channels: Range<usize>, dx: &mut [&mut [f32]]) {
        let span = self.span(samples);
        if self.is_flat() {
            let mut row = vec![0.0; samples * channels.len()];
            transpose(planes, span, [channels.len(), samples], &mut row, channels.len());
            for (dx, row) in dx.iter_mut().zip(row.chunks_exact(channels.len().max(1))) {
                dx[channels.clone()].copy_from_slice(row);
            }
            return;
        }
        let image = self.conv.size[0] * self.conv.size[1];
        dx.iter_mut().for_each(|dx| dx[channels.start * image..channels.end * image].fill(0.0));
        self.lines(samples, channels.clone(), |line| {
            let to = &mut dx[line.sample][(channels.start + line.channel) * image + line.image..];
            copy(&planes[line.plane..], 1, to, self.conv.stride[1], line.count);
        });
    }

    /// Whether samples have one pixel only, in one plane.
    fn is_flat(&self) -> bool {
        self.conv.size == [1, 1] && self.sample() == 1 && self.residues() == 1
    }

    /// Calls `each` for every line of every plane that has pixels of the input.
    fn lines(&self, samples: usize, channels: Range<usize>, mut each: impl FnMut(Line)) {
        let (conv, span) = (&self.conv, self.span(samples));
        let along = |a: usize, residue: usize, most: usize| {
            let first = conv.padding[a].saturating_sub(residue).div_ceil(conv.stride[a]);
            let end = (conv.size[a] + conv.padding[a]).saturating_sub(residue).div_ceil(conv.stride[a]);
            first..end.min(most)
        };
        for channel in 0..channels.len() {
            for (top, &down) in self.residues[0].iter().enumerate() {
                for (left, &right) in self.residues[1].iter().enumerate() {
                    let plane = (channel * self.residues() + top * self.residues[1].len() + left) * span;
                    let (rows, columns) = (along(0, down, self.rows), along(1, right, self.pitch));
                    if columns.is_empty() {
                        continue;
                    }
                    let first = columns.start * conv.stride[1] + right - conv.padding[1];
                    for sample in 0..samples {
                        for row in rows.clone() {
                            let source = row * conv.stride[0] + down - conv.padding[0];
                            let image = source * conv.size[1] + first;
                            let plane = plane + (sample * self.rows + row) * self.pitch + columns.start;
                            each(Line { channel, sample, plane, image, count: columns.len() });
                        }
                    }
                }
            }
        }
    }

    /// The planes of the gradient of some output channels, zero where there is no pixel; `dy` starts at the first of the samples.
    pub fn fill_output(&self, dy: &[f32], samples: usize, channels: Range<usize>, planes: &mut [f32]) {
        let (length, pixels) = (self.length(samples), self.pixels());
        if self.is_flat() {
            transpose(&dy[channels.start..], self.conv.outputs, [samples, channels.len()], planes, length);
            planes.chunks_exact_mut(length).for_each(|plane| plane[samples..].fill(0.0));
            return;
        }
        planes.fill(0.0);
        for (channel, plane) in channels.zip(planes.chunks_exact_mut(length)) {
            for run in self.runs(0..length, samples) {
                let from = (run.sample * self.conv.outputs + channel) * pixels + run.pixel;
                plane[run.at..][..run.count].copy_from_slice(&dy[from..][..run.count]);
            }
        }
    }

    /// Writes the part `range` of the planes of some output channels, `[channels, range]`, to `y[sample][channel - first]`.
    #[inline(always)]
    pub fn write_output(&self, tile: &[f32], range: Range<usize>, channels: Range<usize>, y: &mut [&mut [f32]]) {
        let width = range.len();
        if self.is_flat() {
            let mut rows = [0.0; 16];
            for (i, y) in y[range.start..].iter_mut().take(width).enumerate() {
                let rows = &mut rows[..channels.len()];
                rows.iter_mut().zip(tile[i..].iter().step_by(width)).for_each(|(to, from)| *to = *from);
                y[channels.clone()].copy_from_slice(rows);
            }
            return;
        }
        let pixels = self.pixels();
        for run in self.runs(range, y.len()) {
            for (channel, line) in channels.clone().zip(tile.chunks_exact(width)) {
                let to = &mut y[run.sample][channel * pixels + run.pixel..][..run.count];
                to.copy_from_slice(&line[run.at..][..run.count]);
            }
        }
    }

    /// The pixels of the output within a range of a plane, as stretches of a line.
    fn runs(&self, range: Range<usize>, samples: usize) -> impl Iterator<Item = Run> + '_ {
        let lines = range.start / self.pitch..range.end.div_ceil(self.pitch).min(samples * self.rows);
        lines.filter_map(move |line| {
            let (sample, row) = (line / self.rows, line % self.rows);
            let start = (line * self.pitch).max(range.start);
            let end = (line * self.pitch + self.out[1]).min(range.end);
            let pixel = row * self.out[1] + start - line * self.pitch;
            let run = Run { at: start - range.start, sample, pixel, count: end.saturating_sub(start) };
            (row < self.out[0] && start < end).then_some(run)
        })
    }
}

/// A line of a plane and the pixels of the input that lie there.
struct Line {
    channel: usize,
    sample: usize,
    /// Where it begins among the planes.
    plane: usize,
    /// Where it begins in the image.
    image: usize,
    count: usize,
}

/// Some pixels of one line of the output.
struct Run {
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

/// `to[i * to_step] = from[i * from_step]`.
#[inline(always)]
fn copy(from: &[f32], from_step: usize, to: &mut [f32], to_step: usize, count: usize) {
    if from_step == 1 && to_step == 1 {
        to[..count].copy_from_slice(&from[..count]);
    } else {
        let pairs = to.iter_mut().step_by(to_step).zip(from.iter().step_by(from_step));
        pairs.take(count).for_each(|(to, from)| *to = *from);
    }
}
