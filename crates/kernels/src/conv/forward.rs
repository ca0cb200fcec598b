//! The output of a convolution.
use super::jobs::{Columns, Job, write_planes};
use crate::layer::Conv2d;
use crate::linear::panel_width;
use crate::pool::{Scratch, for_each};
use crate::product::{Blocks, Left, Packed, Staged, pack_columns};
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

pub(crate) struct Forward<'a> {
    pub conv: &'a Conv2d,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub b: Option<&'a [f32]>,
    pub relu: bool,
    pub threads: usize,
}

impl Forward<'_> {
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, y: &mut [f32]) {
        if y.is_empty() {
            return;
        }
        let Self { conv, threads, .. } = *self;
        let pixels: usize = conv.output_size().iter().product();
        let depth = conv.row();
        let columns = Columns::new(conv.group_outputs(), conv.groups, panel_width::<S>(conv.group_outputs()));
        let width = columns.width;
        let mut packed = Scratch::new(columns.count() * depth * width);
        for_each(threads, packed.chunks_mut((depth * width).max(1)).enumerate(), |(index, panel)| {
            let channels = columns.of(index);
            let w = &self.w[channels.start * conv.row_stride..];
            pack_columns(w, conv.row_stride, [depth, channels.len()], panel, width);
        });
        let bias = self.b.map(|b| padded(b, columns));
        let frame = conv.input_frame();
        let elements = conv.elements(&frame, conv.group_inputs());
        let offsets = Indices::new(&elements);
        let image = conv.inputs * conv.size[0] * conv.size[1];
        let jobs = columns.jobs(y, conv.batch, pixels, threads);
        let most = jobs.iter().map(|job| job.samples.len()).max().unwrap_or(0);
        let places = conv.pixels(&frame, most);
        for_each(threads, jobs.into_iter(), |Job { samples, panels, first, mut out }| {
            let mut memory = None;
            let images = frame.around(simd, &self.x[samples.start * image..samples.end * image], &mut memory);
            let bases = Indices::new(&places[..samples.len() * pixels]);
            for (group, panels) in columns.by_group(panels) {
                let left = Left { x: &images[group * conv.group_inputs() * frame.plane()..], bases, offsets };
                let before = group * columns.panels;
                let right = Packed { data: &packed[before * depth * width..], depth, width };
                let bias = bias.as_ref().map(|bias| &bias[before * width..]);
                let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
                    let channels = columns.of(before + index);
                    write_planes(rows, sums, [channels.len(), width], [channels.start - first, pixels], &mut out);
                };
                let blocks = Blocks::of(width);
                simd.vectorize(Staged { left, right, panels, width, blocks, bias, relu: self.relu, write });
            }
        });
    }
}

/// The biases in the order of the panels' columns.
fn padded(b: &[f32], columns: Columns) -> Vec<f32> {
    let mut padded = vec![0.0; columns.count() * columns.width];
    for (index, line) in padded.chunks_exact_mut(columns.width).enumerate() {
        let channels = columns.of(index);
        line[..channels.len()].copy_from_slice(&b[channels]);
    }
    padded
}
