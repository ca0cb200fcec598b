//! The passes of a block-sparse convolution on images where they lie.
use super::{Images, Masked, Tile};
use crate::gather::{self, Band, Row, correlate, gather, gather_width, prefetch_after, scatter, tile_width};
use crate::kernel::Operands;
use crate::layer::{Conv2d, Layer};
use crate::pattern::Blocks;
use crate::pool::{Scratch, for_each, split};
use crate::rows::{Outputs, Rows};
use crate::simd::{dispatch, relu_all, sum};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Pixels that gradients of weights are summed over at a time: those of a row of blocks stay in the first-level cache.
const PIXELS: usize = 1024;
/// Elements of x and y from which on asking for them ahead was faster.
const COLD: usize = 7 << 18;
/// Outputs of the highest block.
const HIGHEST: usize = 16;

/// Runs a pass over the blocks of a sound convolution whose images [`stay`](super::stay), and whose groups have whole blocks; the operands fit.
pub(crate) fn run(conv: Conv2d, blocks: Blocks<'_>, operands: Operands<'_>, threads: usize) {
    dispatch(Call { conv, blocks, operands, threads });
}

struct Call<'a> {
    conv: Conv2d,
    blocks: Blocks<'a>,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, blocks, operands, threads } = self;
        let (rows, threads) = Rows::of(&Layer::Conv2d(conv), &blocks, threads);
        let pass = Pass { conv, rows, blocks, threads };
        match conv.stride[1] {
            1 => pass.run::<S, 1>(simd, operands),
            _ => pass.run::<S, 2>(simd, operands),
        }
    }
}

struct Pass<'a> {
    conv: Conv2d,
    rows: Rows,
    blocks: Blocks<'a>,
    threads: usize,
}

impl Pass<'_> {
    #[inline(always)]
    fn run<S: Simd, const STEP: usize>(&self, simd: S, operands: Operands<'_>) {
        match operands {
            Operands::Forward { x, w, b, relu, y } => self.forward::<S, STEP>(simd, x, w, (b, relu), y),
            Operands::BackwardInput { dy, w, dx } => self.backward_input::<S, STEP>(simd, dy, w, dx),
            Operands::BackwardWeight { dy, x, dw, db } => self.backward_weight::<S, STEP>(simd, dy, x, dw, db),
        }
    }

    /// Pixels of a channel of x, and of y.
    fn pixels(&self) -> [usize; 2] {
        let [height, width] = self.conv.output_size();
        [self.conv.size[0] * self.conv.size[1], height * width]
    }

    /// Samples of a job, and into how many jobs each is cut: where there are fewer samples than threads, into some for each.
    fn jobs(&self) -> (usize, usize) {
        match self.threads {
            1 => (self.conv.batch, 1),
            threads if self.conv.batch < threads => (1, threads),
            threads => ((self.conv.batch / (8 * threads)).max(1), 1),
        }
    }

    /// Whether x and y are more than caches keep, so that their memory is to be asked for.
    fn is_cold(&self) -> bool {
        let [image, size] = self.conv.sample_sizes();
        self.conv.batch * (image + size) > COLD
    }

    /// The input channels, among all, whose memory is prepared for the next tile while row `r` of `rows` is computed.
    fn share(&self, rows: &Range<usize>, r: usize) -> Range<usize> {
        let each = self.conv.inputs.div_ceil(rows.len());
        let of = |row: usize| (row * each).min(self.conv.inputs);
        of(r - rows.start)..of(r - rows.start + 1)
    }

    /// Elements before the channels of the group that a row of blocks reads.
    fn group_of(&self, row: usize) -> usize {
        self.rows.group(row) * self.conv.group_inputs() * self.pixels()[0]
    }

    /// The values of a row of blocks.
    fn values(&self) -> usize {
        self.blocks.stored() * self.blocks.height()
    }

    fn forward<S: Simd, const STEP: usize>(
        &self,
        simd: S,
        x: &[f32],
        w: &[f32],
        (b, relu): (Option<&[f32]>, bool),
        y: &mut [f32],
    ) {
        let [image, size] = self.conv.sample_sizes();
        if y.is_empty() {
            return;
        }
        let (each, cuts) = self.jobs();
        let samples = y.chunks_mut(each * size).enumerate();
        let jobs = samples.flat_map(|(i, y)| {
            let parts = self.rows.parts(y, (size, self.pixels()[1]), cuts);
            parts.into_iter().map(move |part| (&x[i * each * image..], part))
        });
        for_each(self.threads, jobs, |(x, part)| simd.vectorize(Gather::<STEP> { pass: self, x, w, b, relu, part }));
    }

    fn backward_input<S: Simd, const STEP: usize>(&self, simd: S, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        let [image, size] = self.conv.sample_sizes();
        if size == 0 {
            dx.fill(0.0);
        }
        if dx.is_empty() || size == 0 {
            return;
        }
        let (each, cuts) = self.jobs();
        let samples = dx.chunks_mut(each * image).zip(dy.chunks(each * size));
        if cuts == 1 {
            for_each(self.threads, samples, |(dx, dy)| {
                simd.vectorize(Scatter::<STEP> { pass: self, dy, w, rows: 0..self.rows.count(), dx });
            });
            return;
        }
        for (dx, dy) in samples {
            let rows = split(self.rows.count(), cuts);
            let mut others: Vec<Scratch> = rows.clone().skip(1).map(|_| Scratch::new(image)).collect();
            let sums = std::iter::once(&mut *dx).chain(others.iter_mut().map(|other| &mut **other));
            for_each(cuts, sums.zip(rows), |(dx, rows)| {
                simd.vectorize(Scatter::<STEP> { pass: self, dy, w, rows, dx });
            });
            others.iter().for_each(|other| dx.iter_mut().zip(&**other).for_each(|(sum, v)| *sum += v));
        }
    }

    fn backward_weight<S: Simd, const STEP: usize>(
        &self,
        simd: S,
        dy: &[f32],
        x: &[f32],
        dw: &mut [f32],
        mut db: Option<&mut [f32]>,
    ) {
        if let Some(db) = &mut db {
            db[..self.conv.outputs].fill(0.0);
        }
        self.blocks.clear(dw);
        if dy.is_empty() {
            return;
        }
        let jobs = self.rows.gradients((dw, self.values()), db, self.threads);
        for_each(self.threads, jobs.into_iter(), |(rows, dw, db)| {
            simd.vectorize(Correlate::<STEP> { pass: self, x, dy, rows, dw, db });
        });
    }
}

struct Gather<'a, 'b, const STEP: usize> {
    pass: &'a Pass<'a>,
    /// From the first sample on.
    x: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    part: Outputs<'b>,
}

impl<const STEP: usize> WithSimd for Gather<'_, '_, STEP> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, x, w, b, relu, part: (rows, mut y) } = self;
        let images = &Images::<S, STEP>::new(simd, &pass.conv);
        let (height, values, [seen, pixels]) = (pass.blocks.height(), pass.values(), pass.pixels());
        let tiles = images.tiles(|vectors| gather_width::<S>(height, vectors));
        let before = pass.rows.outputs(&rows).start;
        let [image, _] = pass.conv.sample_sizes();
        let zeros = [0.0; HIGHEST];
        let is_cold = pass.is_cold();
        for i in 0..y.len() {
            let next = &x[(i + 1).min(y.len() - 1) * image..];
            let (x, y) = (&x[i * image..], &mut *y[i]);
            for (t, tile) in tiles.iter().enumerate() {
                let &Tile { at, vectors, .. } = tile;
                let (x_ahead, y_ahead) = match tiles.get(t + 1) {
                    Some(ahead) => (ahead.seen.clone(), ahead.there.clone()),
                    None => (tiles[0].seen.clone(), 0..0),
                };
                for r in rows.clone() {
                    let outputs = pass.rows.outputs(&(r..r + 1));
                    if is_cold {
                        let of = if y_ahead.is_empty() { next } else { x };
                        for c in pass.share(&rows, r) {
                            prefetch_after(&of[c * seen..], x_ahead.clone());
                        }
                        for c in outputs.clone() {
                            prefetch_after(&y[(c - before) * pixels..], y_ahead.clone());
                        }
                    }
                    let start = b.map_or(&zeros[..], |b| &b[outputs.clone()]);
                    let source = Masked::new(images, &x[pass.group_of(r)..]);
                    let sums = &mut y[(outputs.start - before) * pixels + tile.there.start..];
                    let row = Row::new(&pass.blocks, r);
                    gather(simd, row, (source, at), &w[r * values..], start, (sums, pixels, vectors));
                    if relu {
                        for sums in sums.chunks_mut(pixels).take(height) {
                            relu_all(simd, &mut sums[..tile.there.len()]);
                        }
                    }
                }
            }
        }
    }
}

struct Scatter<'a, 'b, const STEP: usize> {
    pass: &'a Pass<'a>,
    dy: &'a [f32],
    w: &'a [f32],
    rows: Range<usize>,
    dx: &'b mut [f32],
}

impl<const STEP: usize> WithSimd for Scatter<'_, '_, STEP> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, dy, w, rows, dx } = self;
        let images = &Images::<S, STEP>::new(simd, &pass.conv);
        let (height, values, [seen, pixels]) = (pass.blocks.height(), pass.values(), pass.pixels());
        let tiles = images.tiles(|vectors| tile_width(height, vectors));
        let [image, size] = pass.conv.sample_sizes();
        let is_cold = pass.is_cold();
        for (dx, dy) in dx.chunks_exact_mut(image).zip(dy.chunks_exact(size)) {
            for dx in dx.chunks_exact_mut(seen) {
                dx[tiles[0].seen.clone()].fill(0.0);
            }
            for (t, tile) in tiles.iter().enumerate() {
                let &Tile { at, vectors, .. } = tile;
                let (dx_ahead, dy_ahead) = match tiles.get(t + 1) {
                    Some(ahead) => (ahead.seen.clone(), ahead.there.clone()),
                    None => (tiles[t].seen.end..seen, 0..0),
                };
                for r in rows.clone() {
                    for c in pass.share(&rows, r) {
                        dx[c * seen..][dx_ahead.clone()].fill(0.0);
                    }
                    let outputs = pass.rows.outputs(&(r..r + 1));
                    if is_cold {
                        for c in outputs.clone() {
                            prefetch_after(&dy[c * pixels..], dy_ahead.clone());
                        }
                    }
                    let output = &dy[outputs.start * pixels + tile.there.start..];
                    let target = Masked::new(images, &mut dx[pass.group_of(r)..]);
                    let row = Row::new(&pass.blocks, r);
                    scatter(simd, row, (target, at, vectors), &w[r * values..], (output, pixels));
                }
            }
        }
    }
}

struct Correlate<'a, 'b, const STEP: usize> {
    pass: &'a Pass<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    rows: Range<usize>,
    dw: &'b mut [f32],
    db: &'b mut [f32],
}

impl<const STEP: usize> WithSimd for Correlate<'_, '_, STEP> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, x, dy, rows, dw, db } = self;
        let images = &Images::<S, STEP>::new(simd, &pass.conv);
        let (values, height, [seen, pixels], steps) =
            (pass.values(), pass.blocks.height(), pass.pixels(), pass.conv.sample_sizes());
        let first = pass.rows.outputs(&rows).start;
        for dy in dy.chunks_exact(steps[1]) {
            for (bias, plane) in db.iter_mut().zip(dy[first * pixels..].chunks_exact(pixels)) {
                *bias += sum(simd, plane);
            }
        }
        let length = images.length();
        let together = (PIXELS / length).max(1);
        let cut = length.div_ceil(length.div_ceil(PIXELS)).next_multiple_of(S::F32_LANES);
        let bands = images.tiles(|vectors| vectors.min(cut / S::F32_LANES));
        let mut memory = Scratch::new(height * cut * together);
        let is_cold = pass.is_cold() && together == 1;
        for samples in (0..pass.conv.batch).step_by(together) {
            let lines = together.min(pass.conv.batch - samples);
            let next = &x[(samples + 1).min(pass.conv.batch - 1) * steps[0]..];
            let (x, dy) = (&x[samples * steps[0]..], &dy[samples * steps[1]..]);
            for (t, &Tile { at, vectors, .. }) in bands.iter().enumerate() {
                let band = Band { lines, length: vectors * S::F32_LANES, steps };
                let (of, ahead) = match bands.get(t + 1) {
                    Some(ahead) => (x, ahead.seen.clone()),
                    None => (next, bands[0].seen.clone()),
                };
                for (r, dw) in rows.clone().zip(dw.chunks_exact_mut(values.max(1))) {
                    if is_cold {
                        for c in pass.share(&rows, r) {
                            prefetch_after(&of[c * seen..], ahead.clone());
                        }
                    }
                    let output = &dy[pass.rows.outputs(&(r..r + 1)).start * pixels..];
                    pack(images, output, height, (at, band), &mut memory);
                    let (from, row) = ((Masked::new(images, &x[pass.group_of(r)..]), at), Row::new(&pass.blocks, r));
                    correlate(simd, row, from, band, dw, gather::Outputs::Packed(&memory));
                }
            }
        }
    }
}

/// The outputs of a row of blocks, as [`gather::Outputs::Packed`] and zero where there are none.
#[inline(always)]
fn pack<S: Simd, const STEP: usize>(
    images: &Images<S, STEP>,
    dy: &[f32],
    height: usize,
    (at, band): (usize, Band),
    to: &mut [f32],
) {
    let vectors = &images.vectors[at / S::F32_LANES..][..band.length / S::F32_LANES];
    for (line, to) in to.chunks_exact_mut(band.length * height).take(band.lines).enumerate() {
        for (vector, to) in vectors.iter().zip(to.chunks_exact_mut(S::F32_LANES * height)) {
            for (r, to) in to.chunks_exact_mut(S::F32_LANES).enumerate() {
                let from = &dy[line * band.steps[1] + r * images.pixels[1] + vector.output as usize..];
                let count = vector.count();
                if count == S::F32_LANES {
                    to.copy_from_slice(&from[..S::F32_LANES]);
                } else {
                    to[..count].copy_from_slice(&from[..count]);
                    to[count..].fill(0.0);
                }
            }
        }
    }
}
