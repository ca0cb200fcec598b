//! Planes of a result, summed from framed images and packed weights.
use super::geometry::Frame;
use super::jobs::{Columns, Job, write_pixels, write_planes};
use super::regions::Region;
use crate::pool::{Scratch, for_each};
use crate::product::{Blocks, Left, Packed, Staged};
use crate::tile::Indices;
use pulp::Simd;
use std::ops::Range;

/// Every channel of the result is a sum over the channels of a group, and over the elements of the kernel.
pub(super) struct Sums<'a, P> {
    /// Of the images that are read.
    pub frame: Frame,
    /// Channels of an image: all, and those of a group.
    pub channels: [usize; 2],
    /// Elements of the kernel.
    pub taps: usize,
    /// Packs the weights `[channels of a group x taps, width]` of a panel.
    pub pack: P,
    /// Panels of the channels of the result.
    pub columns: Columns,
    /// Pixels of a plane of the result.
    pub pixels: usize,
    pub regions: &'a [Region],
    /// In the order of the panels' columns.
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
}

/// A region, with where its pixels and terms are.
struct Part<'a> {
    region: &'a Region,
    bases: Vec<u32>,
    offsets: Vec<u32>,
    /// Where not all elements are in it: lines of the panels.
    lines: Option<Vec<u32>>,
}

impl<P: Fn(usize, &mut [f32]) + Sync> Sums<'_, P> {
    /// Writes the planes of all samples. Panels that only one job needs are packed when it needs them, and stay in its caches.
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, images: &[f32], batch: usize, threads: usize, out: &mut [f32]) {
        let jobs = self.columns.jobs(out, batch, self.pixels, threads);
        let most = jobs.iter().map(|job| job.samples.len()).max().unwrap_or(0);
        let parts: Vec<_> = self.regions.iter().map(|region| self.part(region, most)).collect();
        let (size, late) = (self.channels[1] * self.taps * self.columns.width, most == batch);
        let mut packed = Scratch::new(if late { 0 } else { self.columns.count() * size });
        for_each(threads, packed.chunks_mut(size.max(1)).enumerate(), |(panel, to)| (self.pack)(panel, to));
        let image = self.channels[0] * self.frame.inner[0] * self.frame.inner[1];
        for_each(threads, jobs.into_iter(), |mut job| {
            let mut memory = None;
            let images = &images[job.samples.start * image..job.samples.end * image];
            let framed = self.frame.around(simd, images, &mut memory);
            let mut own = Scratch::new(if late { size } else { 0 });
            for (group, panels) in self.columns.by_group(job.panels.clone()) {
                let x = &framed[group * self.channels[1] * self.frame.plane()..];
                let panels = group * self.columns.panels + panels.start..group * self.columns.panels + panels.end;
                let step = if late || parts.len() > 1 { 1 } else { panels.len() };
                for first in panels.clone().step_by(step.max(1)) {
                    let packed = if late {
                        (self.pack)(first, &mut own);
                        &own
                    } else {
                        &packed[first * size..]
                    };
                    let panels = (first..panels.end.min(first + step), packed);
                    parts.iter().for_each(|part| self.panels(simd, x, part, panels.clone(), &mut job));
                }
            }
        });
    }

    fn part<'a>(&self, region: &'a Region, samples: usize) -> Part<'a> {
        let (plane, elements) = (self.frame.plane() as u32, &region.elements);
        let sample = self.channels[0] as u32 * plane;
        let terms = |step: u32, which: usize| -> Vec<u32> {
            (0..self.channels[1] as u32).flat_map(|c| elements.iter().map(move |e| c * step + e[which])).collect()
        };
        Part {
            region,
            bases: (0..samples as u32).flat_map(|n| region.places.iter().map(move |p| n * sample + p)).collect(),
            offsets: terms(plane, 1),
            lines: (elements.len() < self.taps).then(|| terms(self.taps as u32, 0)),
        }
    }

    /// Some panels of one group, counted over all groups, and their weights.
    #[inline(always)]
    fn panels<S: Simd>(
        &self,
        simd: S,
        x: &[f32],
        Part { region, bases, offsets, lines }: &Part<'_>,
        (panels, packed): (Range<usize>, &[f32]),
        job: &mut Job<'_>,
    ) {
        let Self { columns, pixels, .. } = *self;
        let (width, depth) = (columns.width, self.channels[1] * self.taps);
        let bases = &bases[..job.samples.len() * region.pixels.len()];
        let left = Left { x, bases: Indices::new(bases), offsets: Indices::new(offsets) };
        let lines = lines.as_ref().map(|lines| Indices::new(lines));
        let right = Packed { data: packed, depth, width, lines };
        let bias = self.bias.map(|bias| &bias[panels.start * width..]);
        let Job { first, out, .. } = job;
        let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
            let channels = columns.of(panels.start + index);
            let (size, to) = ([channels.len(), width], [channels.start - *first, pixels]);
            if region.pixels.len() == pixels {
                write_planes(simd, rows, sums, size, to, out);
            } else {
                write_pixels(rows, sums, size, to, &region.pixels, out);
            }
        };
        let (panels, blocks) = (0..panels.len(), Blocks::of(width));
        simd.vectorize(Staged { left, right, panels, width, blocks, bias, relu: self.relu, write });
    }
}
