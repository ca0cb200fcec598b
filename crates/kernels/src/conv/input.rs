//! The gradient of a convolution's input.
use super::geometry::Frame;
use super::jobs::{Columns, Job, write_planes};
use super::residues::Residue;
use crate::layer::Conv2d;
use crate::linear::panel_width;
use crate::pool::{Scratch, for_each};
use crate::product::{Blocks, Left, Packed, Staged, pack_columns};
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

pub(crate) struct BackwardInput<'a> {
    pub conv: &'a Conv2d,
    pub dy: &'a [f32],
    pub w: &'a [f32],
    pub threads: usize,
}

/// What the pixels of one residue are summed from.
struct Operand {
    residue: Residue,
    /// Weights `[panels, outputs x elements, width]`.
    packed: Scratch,
    offsets: Vec<u32>,
}

impl BackwardInput<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, dx: &mut [f32]) {
        if dx.is_empty() {
            return;
        }
        if self.dy.is_empty() {
            dx.fill(0.0);
            return;
        }
        let Self { conv, threads, .. } = *self;
        let frame = conv.gradient_frame();
        let columns = Columns::new(conv.group_inputs(), conv.groups, panel_width::<S>(conv.group_inputs()));
        let operands: Vec<_> =
            conv.residues(&frame).into_iter().map(|residue| self.operand(residue, &frame, columns)).collect();
        let pixels = conv.size[0] * conv.size[1];
        let image = conv.outputs * frame.inner[0] * frame.inner[1];
        for_each(threads, columns.jobs(dx, conv.batch, pixels, threads).into_iter(), |mut job| {
            let mut memory = None;
            let images = frame.around(simd, &self.dy[job.samples.start * image..job.samples.end * image], &mut memory);
            for operand in &operands {
                self.residue(simd, operand, (images, &frame), columns, &mut job);
            }
        });
    }

    #[inline(always)]
    fn operand(&self, residue: Residue, frame: &Frame, columns: Columns) -> Operand {
        let conv = self.conv;
        let outputs = conv.group_outputs();
        let taps = conv.kernel[0] * conv.kernel[1];
        let elements = &residue.elements;
        let depth = outputs * elements.len();
        let width = columns.width;
        let mut packed = Scratch::new(columns.count() * depth * width);
        for_each(self.threads, packed.chunks_mut((depth * width).max(1)).enumerate(), |(index, panel)| {
            let channels = columns.of(index);
            let group = index / columns.panels;
            let first = channels.start - group * conv.group_inputs();
            for (o, lines) in panel.chunks_exact_mut((elements.len() * width).max(1)).enumerate() {
                let row = &self.w[(group * outputs + o) * conv.row_stride + first * taps..][..channels.len() * taps];
                if elements.len() == taps {
                    pack_columns(row, taps, [taps, channels.len()], lines, width);
                    continue;
                }
                for (line, &(element, _)) in lines.chunks_exact_mut(width).zip(elements) {
                    let (kept, rest) = line.split_at_mut(channels.len());
                    kept.iter_mut().zip(row.chunks_exact(taps)).for_each(|(to, from)| *to = from[element]);
                    rest.fill(0.0);
                }
            }
        });
        let plane = frame.plane() as u32;
        let offsets = (0..outputs as u32).flat_map(|o| elements.iter().map(move |e| o * plane + e.1)).collect();
        Operand { packed, offsets, residue }
    }

    /// The pixels of one residue.
    #[inline(always)]
    fn residue<S: Simd>(
        &self,
        simd: S,
        Operand { residue, packed, offsets }: &Operand,
        (images, frame): (&[f32], &Frame),
        columns: Columns,
        job: &mut Job<'_>,
    ) {
        let conv = self.conv;
        let (width, depth, count) = (columns.width, offsets.len(), residue.places.len());
        let pixels = conv.size[0] * conv.size[1];
        let sample = conv.outputs * frame.plane();
        let shifted = |n: usize| residue.places.iter().map(move |&place| (n * sample) as u32 + place);
        let bases: Vec<u32> = (0..job.samples.len()).flat_map(shifted).collect();
        let (bases, offsets) = (Indices::new(&bases), Indices::new(offsets));
        let Job { first, out, .. } = job;
        for (group, panels) in columns.by_group(job.panels.clone()) {
            let x = &images[group * conv.group_outputs() * frame.plane()..];
            let left = Left { x, bases, offsets };
            let before = group * columns.panels;
            let right = Packed { data: &packed[before * depth * width..], depth, width };
            let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
                let channels = columns.of(before + index);
                let local = channels.start - *first;
                if count == pixels {
                    write_planes(rows, sums, [channels.len(), width], [local, pixels], out);
                    return;
                }
                let mut row = rows.start;
                while row < rows.end {
                    let (sample, pixel) = (row / count, row % count);
                    let some = (count - pixel).min(rows.end - row);
                    let sums = &sums[(row - rows.start) * width..][..some * width];
                    let planes = out.row(sample)[local * pixels..].chunks_exact_mut(pixels).take(channels.len());
                    for (c, plane) in planes.enumerate() {
                        let places = &residue.pixels[pixel..pixel + some];
                        places.iter().zip(sums.chunks_exact(width)).for_each(|(&p, sums)| plane[p as usize] = sums[c]);
                    }
                    row += some;
                }
            };
            let blocks = Blocks::of(width);
            simd.vectorize(Staged { left, right, panels, width, blocks, bias: None, relu: false, write });
        }
    }
}
