//! The gradients of a convolution's weights and bias.
use super::geometry::Framed;
use super::jobs::Columns;
use super::plain;
use crate::layer::Conv2d;
use crate::linear::panel_width;
use crate::matrix::Matrix;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Bias, Blocks, Left, Packed, Product, pack_columns};
use crate::tile::Indices;
use crate::transpose::Transpose;
use pulp::Simd;
use std::ops::Range;

/// Pixels that are taken at a time, at least, where there are as many.
const PIXELS: usize = 256;

pub(crate) struct BackwardWeight<'a> {
    pub conv: &'a Conv2d,
    pub dy: &'a [f32],
    pub x: &'a [f32],
    pub threads: usize,
}

/// What one thread adds up: the gradients of some input channels over some samples.
struct Part {
    samples: Range<usize>,
    channels: Range<usize>,
    /// `[channels x elements, panels x width]`.
    sums: Scratch,
    bias: Vec<f32>,
}

impl BackwardWeight<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let conv = self.conv;
        let columns = Columns::new(conv.group_outputs(), conv.groups, panel_width::<S>(conv.group_outputs()));
        let mut finite = true;
        for group in 0..conv.groups {
            let mut parts = self.parts(columns);
            for_each(self.threads, parts.iter_mut(), |part| self.part(simd, group, columns, part));
            finite &= parts.iter().flat_map(|part| &part.bias).all(|sum| sum.is_finite());
            let outputs = group * conv.group_outputs()..(group + 1) * conv.group_outputs();
            if let Some(db) = &mut db {
                bias(&parts, &mut db[outputs.clone()]);
            }
            let from = (outputs.start * conv.row_stride).min(dw.len());
            let rows = dw[from..].chunks_mut(conv.row_stride * columns.width).take(columns.panels).enumerate();
            for_each(self.threads, rows, |(index, dw)| {
                let count = columns.width.min(outputs.len() - index * columns.width);
                self.gather(simd, &parts, (index, count), columns, dw);
            });
        }
        if !finite && conv.padding != [0, 0] {
            plain::weight(conv, [self.dy, self.x], dw);
        }
    }

    /// The samples are dealt out where there are many, else the channels of the input.
    fn parts(&self, columns: Columns) -> Vec<Part> {
        let conv = self.conv;
        let pixels: usize = conv.output_size().iter().product();
        let rows = conv.group_inputs() * conv.kernel[0] * conv.kernel[1];
        let long = conv.batch * pixels >= 2048 && conv.batch >= self.threads;
        let (by_samples, by_channels) = if long { (self.threads, 1) } else { (1, self.threads) };
        let mut parts = Vec::new();
        for samples in split(conv.batch, by_samples) {
            for channels in split(conv.group_inputs(), by_channels) {
                let size = rows / conv.group_inputs().max(1) * channels.len() * columns.panels * columns.width;
                let bias = vec![0.0; columns.panels * columns.width];
                parts.push(Part { samples: samples.clone(), channels, sums: Scratch::new(size), bias });
            }
        }
        parts
    }

    /// Adds up the parts for one panel, and writes it to its rows of dw.
    #[inline(always)]
    fn gather<S: Simd>(
        &self,
        simd: S,
        parts: &[Part],
        (index, count): (usize, usize),
        columns: Columns,
        dw: &mut [f32],
    ) {
        let taps = self.conv.kernel[0] * self.conv.kernel[1];
        let (width, line) = (columns.width, columns.panels * columns.width);
        for first in parts.iter().filter(|part| part.samples.start == 0 && !part.channels.is_empty()) {
            let rows = first.channels.len() * taps;
            let mut sums = Scratch::new(rows * width);
            for (r, to) in sums.chunks_exact_mut(width).enumerate() {
                to.copy_from_slice(&first.sums[r * line + index * width..][..width]);
            }
            let others = parts.iter().filter(|part| part.channels == first.channels && part.samples != first.samples);
            for other in others {
                for (r, to) in sums.chunks_exact_mut(width).enumerate() {
                    let from = &other.sums[r * line + index * width..][..width];
                    to.iter_mut().zip(from).for_each(|(sum, v)| *sum += v);
                }
            }
            let to = &mut dw[first.channels.start * taps..];
            simd.vectorize(Transpose { from: (&sums, width), size: [rows, count], to: (to, self.conv.row_stride) });
        }
    }

    #[inline(always)]
    fn part<S: Simd>(&self, simd: S, group: usize, columns: Columns, part: &mut Part) {
        let conv = self.conv;
        let width = columns.width;
        let pixels: usize = conv.output_size().iter().product();
        let frame = conv.input_frame();
        let plane = conv.size[0] * conv.size[1];
        let channels = part.channels.len();
        if part.samples.is_empty() || pixels == 0 || channels == 0 {
            part.sums.fill(0.0);
            return;
        }
        let most = PIXELS.div_ceil(pixels).min(part.samples.len());
        let together = part.samples.len().div_ceil(part.samples.len().div_ceil(most));
        let taps = conv.taps(&frame, channels, together);
        let mut framed = Scratch::new(together * channels * frame.plane());
        let mut packed = Scratch::new(columns.panels * together * pixels * width);
        let line = columns.panels * width;
        for from in part.samples.clone().step_by(together) {
            let samples = from..(from + together).min(part.samples.end);
            let depth = samples.len() * pixels;
            for (i, n) in samples.clone().enumerate() {
                let first = n * conv.inputs + group * conv.group_inputs() + part.channels.start;
                let planes = &self.x[first * plane..][..channels * plane];
                let to = &mut framed[i * channels * frame.plane()..][..channels * frame.plane()];
                simd.vectorize(Framed { frame, planes, to });
                for (index, panel) in packed.chunks_exact_mut(depth * width).take(columns.panels).enumerate() {
                    let outputs = columns.of(group * columns.panels + index);
                    let dy = &self.dy[(n * conv.outputs + outputs.start) * pixels..];
                    pack_columns(
                        simd,
                        (dy, pixels),
                        [pixels, outputs.len()],
                        (&mut panel[i * pixels * width..], width),
                    );
                }
            }
            for (panel, bias) in packed.chunks_exact(depth * width).zip(part.bias.chunks_exact_mut(width)) {
                for line in panel.chunks_exact(width) {
                    bias.iter_mut().zip(line).for_each(|(sum, v)| *sum += v);
                }
            }
            let bias = if from == part.samples.start { Bias::Zero } else { Bias::Output };
            for tap in &taps {
                let terms = tap.offsets.len() * samples.len() / together;
                let (bases, offsets) = (Indices::new(&tap.bases), Indices::new(&tap.offsets[..terms]));
                let lines = tap.lines.as_ref().map(|lines| Indices::new(&lines[..terms]));
                let right = Packed { data: &packed, depth, width, lines };
                let out = Matrix::new(&mut part.sums[tap.first * line..], [tap.bases.len(), line], tap.step * line);
                let (left, panels, blocks) =
                    (Left { x: &framed, bases, offsets }, 0..columns.panels, Blocks::of(width));
                simd.vectorize(Product { left, right, panels, width, blocks, bias, relu: false, out });
            }
        }
    }
}

/// The gradient of the bias: parts that share their samples have the same sums.
fn bias(parts: &[Part], db: &mut [f32]) {
    db.fill(0.0);
    for part in parts.iter().filter(|part| part.channels.start == 0) {
        db.iter_mut().zip(&part.bias).for_each(|(sum, v)| *sum += v);
    }
}
