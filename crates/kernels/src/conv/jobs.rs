//! How the work of a convolution is dealt out.
use crate::matrix::Matrix;
use crate::pool::split;
use crate::product::HEIGHT;
use crate::transpose::Transpose;
use pulp::Simd;
use std::ops::Range;

/// Pixels of a job, at least, where the samples are dealt out.
const TOGETHER: usize = 256;

/// Panels of the channels of all groups, one group after the other.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    /// Channels of a group.
    channels: usize,
    /// Panels of a group.
    pub panels: usize,
    groups: usize,
    pub width: usize,
}

/// What one thread computes at a time: some panels of channels of some samples, and where they go.
pub(super) struct Job<'a> {
    pub samples: Range<usize>,
    /// Counted over all groups.
    pub panels: Range<usize>,
    /// The first channel of the panels.
    pub first: usize,
    /// A row for each sample; its channels, plane after plane.
    pub out: Matrix<'a>,
}

impl Columns {
    pub fn new(channels: usize, groups: usize, width: usize) -> Self {
        Self { channels, panels: channels.div_ceil(width), groups, width }
    }

    pub fn count(&self) -> usize {
        self.panels * self.groups
    }

    /// Channels of a panel.
    pub fn of(&self, panel: usize) -> Range<usize> {
        let (group, index) = (panel / self.panels, panel % self.panels);
        let first = index * self.width;
        let base = group * self.channels;
        base + first..base + self.channels.min(first + self.width)
    }

    /// How many ranges of samples and of panels there are: where planes are small and weights many, all samples go through some panels, so that
    /// the weights are read once.
    fn parts(&self, batch: usize, plane: usize, threads: usize) -> [usize; 2] {
        let uneven = !batch.is_multiple_of(threads) && batch < 4 * threads;
        if batch * plane < 3 * HEIGHT * threads && self.count() >= threads {
            let even = self.count().is_multiple_of(threads);
            return [1, if even { threads } else { (4 * threads).min(self.count()) }];
        }
        if uneven {
            return [batch, (2 * threads).min(self.count())];
        }
        let together = TOGETHER.div_ceil(plane.max(1)).clamp(1, batch.div_ceil(threads));
        let jobs = batch.div_ceil(together);
        [if jobs < 4 * threads { jobs.next_multiple_of(threads) } else { jobs }, 1]
    }

    /// Splits an output `[batch, channels, plane]` into jobs.
    pub fn jobs<'a>(&self, out: &'a mut [f32], batch: usize, plane: usize, threads: usize) -> Vec<Job<'a>> {
        let [by_samples, by_panels] = self.parts(batch, plane, threads.max(1));
        let sample = self.channels * self.groups * plane;
        let mut jobs = Vec::new();
        let mut rest = out;
        for samples in split(batch, by_samples).filter(|samples| !samples.is_empty()) {
            let (some, next) = rest.split_at_mut(samples.len() * sample);
            rest = next;
            let ranges: Vec<_> = split(self.count(), by_panels).collect();
            let columns =
                ranges.iter().map(|range| self.of(range.start).start * plane..self.of(range.end - 1).end * plane);
            for (panels, (columns, out)) in
                ranges.iter().zip(Matrix::new(some, [samples.len(), sample], sample).cut(columns))
            {
                let (samples, panels) = (samples.clone(), panels.clone());
                jobs.push(Job { samples, panels, first: columns.start / plane, out });
            }
        }
        jobs
    }

    /// The parts of a range of panels that lie in one group each: the group, and its panels counted within it.
    pub fn by_group(&self, panels: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let per = self.panels;
        let groups = panels.start / per..panels.end.div_ceil(per);
        groups.map(move |g| (g, panels.start.max(g * per) - g * per..panels.end.min((g + 1) * per) - g * per))
    }
}

/// Writes sums `[rows, width]`, row r for pixel `r % plane` of sample `r / plane`, to the channels from `first` on of a row for each sample.
#[inline(always)]
pub(super) fn write_planes<S: Simd>(
    simd: S,
    rows: Range<usize>,
    sums: &[f32],
    [columns, width]: [usize; 2],
    [first, plane]: [usize; 2],
    out: &mut Matrix<'_>,
) {
    let mut row = rows.start;
    while row < rows.end {
        let (sample, pixel) = (row / plane, row % plane);
        let count = (plane - pixel).min(rows.end - row);
        let to = &mut out.row(sample)[first * plane + pixel..];
        let from = (&sums[(row - rows.start) * width..], width);
        simd.vectorize(Transpose { from, size: [count, columns], to: (to, plane) });
        row += count;
    }
}

/// Writes sums `[rows, width]`, row r for the pixel at `pixels[r % pixels.len()]`, as [`write_planes`] does.
#[inline(always)]
pub(super) fn write_pixels(
    rows: Range<usize>,
    sums: &[f32],
    [columns, width]: [usize; 2],
    [first, plane]: [usize; 2],
    pixels: &[u32],
    out: &mut Matrix<'_>,
) {
    let mut row = rows.start;
    while row < rows.end {
        let (sample, pixel) = (row / pixels.len(), row % pixels.len());
        let count = (pixels.len() - pixel).min(rows.end - row);
        let sums = &sums[(row - rows.start) * width..][..count * width];
        let planes = out.row(sample)[first * plane..].chunks_exact_mut(plane).take(columns);
        for (c, plane) in planes.enumerate() {
            let places = &pixels[pixel..pixel + count];
            places.iter().zip(sums.chunks_exact(width)).for_each(|(&p, sums)| plane[p as usize] = sums[c]);
        }
        row += count;
    }
}
