//! Block-sparse layers on many pixels.
use crate::error::Error;
use crate::gather::{Row, WIDEST, correlate, gather, scatter, tile_width};
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::Layer;
use crate::pattern::{Blocks, Format, Pattern, Shape};
use crate::planes::Planes;
use crate::pool::{Scratch, for_each, split};
use crate::simd::dispatch;
use crate::tile::Indices;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Products with the first blocks of every row, on planes of pixels: the output's tile stays in registers over a whole row of blocks.
#[derive(Clone, Copy, Debug)]
pub struct BlockPlanes;

impl Kernel for BlockPlanes {
    fn name(&self) -> &'static str {
        "block_planes"
    }

    fn takes(&self, key: &Key) -> bool {
        let sound = match key.layer {
            Layer::Linear(_) => true,
            Layer::Conv2d(conv) => conv.is_sound(),
        };
        sound && matches!(key.format, Format::Blocks { .. })
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Pattern::Blocks(blocks) = args.pattern else { return Err(Error::new(self.name(), "no blocks")) };
        dispatch(Call { layer: args.layer, blocks, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

/// Bytes of planes that one job takes: with what else it needs, they stay in the second-level cache.
const CACHED: usize = 384 << 10;
/// Pixels that gradients of weights are summed over at a time: those of a row of blocks stay in the first-level cache.
const PIXELS: usize = 512;

struct Call<'a> {
    layer: Layer,
    blocks: Blocks<'a>,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, blocks, operands, threads } = self;
        let shape = Shape::of(&layer);
        let density = blocks.kept() as f64 / shape.positions.max(1) as f64;
        let threads = if layer.flops() * density < 1e6 { 1 } else { threads };
        let planes = Planes::new(&layer, S::F32_LANES);
        let pass = Pass { planes, shape, blocks, threads };
        match operands {
            Operands::Forward { x, w, b, relu, y } => pass.forward(simd, x, w, (b, relu), y),
            Operands::BackwardInput { dy, w, dx } => pass.backward_input(simd, dy, w, dx),
            Operands::BackwardWeight { dy, x, dw, db } => {
                if let Some(db) = db {
                    bias(&pass.planes, dy, db);
                }
                pass.backward_weight(simd, dy, x, dw);
            }
        }
    }
}

/// The sum of the gradient of every output channel.
fn bias(planes: &Planes, dy: &[f32], db: &mut [f32]) {
    let (outputs, pixels) = (planes.conv().outputs, planes.pixels());
    db[..outputs].fill(0.0);
    for sample in dy.chunks_exact((outputs * pixels).max(1)) {
        if pixels == 1 {
            db.iter_mut().zip(sample).for_each(|(sum, v)| *sum += v);
        } else {
            db.iter_mut().zip(sample.chunks_exact(pixels)).for_each(|(sum, plane)| *sum += plane.iter().sum::<f32>());
        }
    }
}

/// A matrix of samples cut into some samples by some columns: for each part, its samples, its columns and its part of every sample.
struct Part<'a> {
    samples: Range<usize>,
    rows: Range<usize>,
    out: Vec<&'a mut [f32]>,
}

struct Pass<'a> {
    planes: Planes,
    shape: Shape,
    blocks: Blocks<'a>,
    threads: usize,
}

impl<'a> Pass<'a> {
    /// Samples of a job when each has `channels` planes.
    fn samples(&self, channels: usize) -> usize {
        let each = channels * self.planes.sample() * size_of::<f32>();
        let most = (CACHED / each.max(1)).max(1);
        let batch = self.planes.conv().batch;
        let jobs = batch.div_ceil(most).next_multiple_of(self.threads);
        batch.div_ceil(jobs).max(1)
    }

    /// Starts of tiles, and their vectors, over a length that is a whole number of vectors.
    #[inline(always)]
    fn tiles<S: Simd>(&self, length: usize) -> impl Iterator<Item = (usize, usize)> + use<S> {
        let height = self.blocks.height();
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = (length - at) / S::F32_LANES;
            let tile = (at, tile_width(height, left));
            at += tile.1 * S::F32_LANES;
            (left > 0).then_some(tile)
        })
    }

    /// The values of a row of blocks.
    fn values<'v>(&self, row: usize, values: &'v [f32]) -> &'v [f32] {
        let each = self.blocks.stored() * self.blocks.height();
        &values[row * each..][..each]
    }

    fn forward<S: Simd>(&self, simd: S, x: &[f32], w: &[f32], (b, relu): (Option<&[f32]>, bool), y: &mut [f32]) {
        let conv = self.planes.conv();
        let image = conv.inputs * conv.size[0] * conv.size[1];
        if y.is_empty() {
            return;
        }
        for_each(self.threads, self.parts(y).into_iter(), |mut part| {
            let samples = part.samples.len();
            let offsets = self.planes.offsets(samples);
            let offsets = Indices::new(&offsets);
            let x = &x[part.samples.start * image..part.samples.end * image];
            let input = self.planes.input(x, samples, 0..conv.inputs);
            let first = self.outputs(&part.rows).start;
            simd.vectorize(Gather { pass: self, offsets, input: &input, w, b, relu, first, part: &mut part });
        });
    }

    /// The output channels of some rows of blocks.
    fn outputs(&self, rows: &Range<usize>) -> Range<usize> {
        let of = |row| self.shape.outputs_of(row, self.blocks.height()).1;
        if rows.is_empty() { 0..0 } else { of(rows.start).start..of(rows.end - 1).end }
    }

    /// The output by samples, and by rows of blocks where there are too few samples for all threads.
    fn parts<'y>(&self, y: &'y mut [f32]) -> Vec<Part<'y>> {
        let conv = self.planes.conv();
        let (each, pixels) = (self.samples(conv.inputs * self.planes.residues()), self.planes.pixels());
        let rows = self.shape.rows(self.blocks.height());
        let jobs = conv.batch.div_ceil(each);
        let cuts = if jobs < self.threads { self.threads } else { 1 };
        let mut parts = Vec::new();
        for (i, samples) in y.chunks_mut(each * conv.outputs * pixels).enumerate() {
            let count = samples.len() / (conv.outputs * pixels);
            let mut some: Vec<Part<'_>> = split(rows, cuts)
                .map(|rows| Part { samples: i * each..i * each + count, rows, out: Vec::with_capacity(count) })
                .collect();
            for mut sample in samples.chunks_mut(conv.outputs * pixels) {
                for part in &mut some {
                    let (head, rest) = sample.split_at_mut(self.outputs(&part.rows).len() * pixels);
                    part.out.push(head);
                    sample = rest;
                }
            }
            parts.extend(some);
        }
        parts
    }

    fn backward_input<S: Simd>(&self, simd: S, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        let conv = self.planes.conv();
        let (image, pixels) = (conv.inputs * conv.size[0] * conv.size[1], self.planes.pixels());
        if dx.is_empty() {
            return;
        }
        if pixels == 0 {
            dx.fill(0.0);
            return;
        }
        let channels = conv.inputs * self.planes.residues() + conv.outputs;
        let each = self.samples(channels);
        let rows = self.shape.rows(self.blocks.height());
        let cuts = if conv.batch.div_ceil(each) < self.threads { self.threads } else { 1 };
        let jobs = dx.chunks_mut(each * image).enumerate();
        let run = |(i, dx): (usize, &mut [f32])| {
            let samples = dx.len() / image;
            let dy = &dy[i * each * conv.outputs * pixels..][..samples * conv.outputs * pixels];
            let offsets = self.planes.offsets(samples);
            let offsets = Indices::new(&offsets);
            let mut sums: Vec<(Range<usize>, Scratch)> = split(rows, cuts)
                .map(|rows| (rows, Scratch::new(conv.inputs * self.planes.residues() * self.planes.span(samples))))
                .collect();
            for_each(cuts, sums.iter_mut(), |(rows, sums)| {
                sums.fill(0.0);
                simd.vectorize(Scatter { pass: self, offsets, dy, samples, w, rows: rows.clone(), sums });
            });
            let mut sums = sums.into_iter().map(|(_, sums)| sums);
            let Some(mut all) = sums.next() else { return };
            sums.for_each(|some| all.iter_mut().zip(&*some).for_each(|(sum, v)| *sum += v));
            let mut out: Vec<&mut [f32]> = dx.chunks_mut(image).collect();
            self.planes.write_input(&all, samples, 0..conv.inputs, &mut out);
        };
        if cuts > 1 { jobs.for_each(run) } else { for_each(self.threads, jobs, run) }
    }

    fn backward_weight<S: Simd>(&self, simd: S, dy: &[f32], x: &[f32], dw: &mut [f32]) {
        let conv = self.planes.conv();
        let (image, pixels) = (conv.inputs * conv.size[0] * conv.size[1], self.planes.pixels());
        let row = self.blocks.stored() * self.blocks.height();
        for values in dw.chunks_exact_mut(row.max(1)) {
            values[..self.blocks.kept() * self.blocks.height()].fill(0.0);
        }
        if dw.is_empty() || dy.is_empty() || x.is_empty() {
            return;
        }
        let least = PIXELS.div_ceil(self.planes.sample());
        let each = self.samples(conv.inputs * self.planes.residues()).max(least).min(conv.batch);
        let count = conv.batch.div_ceil(each);
        for samples in split(conv.batch, count) {
            let x = &x[samples.start * image..samples.end * image];
            let dy = &dy[samples.start * conv.outputs * pixels..samples.end * conv.outputs * pixels];
            let samples = samples.len();
            let offsets = self.planes.offsets(samples);
            let offsets = Indices::new(&offsets);
            let span = self.planes.span(samples) * self.planes.residues();
            let mut input = Scratch::new(conv.inputs * span);
            let cut = conv.inputs.div_ceil(self.threads);
            for_each(self.threads, input.chunks_mut((cut * span).max(1)).enumerate(), |(i, planes)| {
                let channels = i * cut..((i + 1) * cut).min(conv.inputs);
                self.planes.fill_input(x, samples, channels, planes);
            });
            let rows = self.shape.rows(self.blocks.height());
            let some = rows.div_ceil(4 * self.threads);
            for_each(self.threads, dw.chunks_mut(some * row).enumerate(), |(i, dw)| {
                simd.vectorize(Correlate { pass: self, offsets, input: &input, dy, samples, first: i * some, dw });
            });
        }
    }

    /// The output planes of a row of blocks, zero in the padding.
    #[inline(always)]
    fn output(&self, row: usize, dy: &[f32], samples: usize, planes: &mut [f32]) {
        let length = self.planes.length(samples);
        let (_, outputs) = self.shape.outputs_of(row, self.blocks.height());
        let (used, rest) = planes.split_at_mut(outputs.len() * length);
        self.planes.fill_output(dy, samples, outputs, used);
        rest.fill(0.0);
    }

    /// The planes of the group that a row of blocks belongs to.
    fn group<'p>(&self, row: usize, samples: usize, input: &'p [f32]) -> &'p [f32] {
        let (group, _) = self.shape.outputs_of(row, self.blocks.height());
        &input[group * self.group_planes(samples)..]
    }

    fn group_planes(&self, samples: usize) -> usize {
        self.planes.conv().group_inputs() * self.planes.residues() * self.planes.span(samples)
    }
}

struct Gather<'a, 'b> {
    pass: &'a Pass<'a>,
    offsets: Indices<'a>,
    input: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    first: usize,
    part: &'a mut Part<'b>,
}

impl WithSimd for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, offsets, input, w, b, relu, first, part } = self;
        let (samples, height) = (part.samples.len(), pass.blocks.height());
        let mut sums = Scratch::new(height * WIDEST * S::F32_LANES);
        for row in part.rows.clone() {
            let (_, outputs) = pass.shape.outputs_of(row, height);
            let mut start = [0.0; 16];
            if let Some(b) = b {
                start[..outputs.len()].copy_from_slice(&b[outputs.clone()]);
            }
            let channels = outputs.start - first..outputs.end - first;
            let input = pass.group(row, samples, input);
            let (values, row) = (pass.values(row, w), Row::new(&pass.blocks, row, offsets));
            for (at, v) in pass.tiles::<S>(pass.planes.length(samples)) {
                let width = v * S::F32_LANES;
                let sums = &mut sums[..height * width];
                gather(simd, row, (input, at), values, &start[..height], (sums, v));
                if relu {
                    sums.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
                }
                pass.planes.write_output(sums, at..at + width, channels.clone(), &mut part.out);
            }
        }
    }
}

struct Scatter<'a, 'b> {
    pass: &'a Pass<'a>,
    offsets: Indices<'a>,
    dy: &'a [f32],
    samples: usize,
    w: &'a [f32],
    rows: Range<usize>,
    sums: &'b mut [f32],
}

impl WithSimd for Scatter<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, offsets, dy, samples, w, rows, sums } = self;
        let length = pass.planes.length(samples);
        let mut output = Scratch::new(pass.blocks.height() * length);
        for row in rows {
            pass.output(row, dy, samples, &mut output);
            let (group, _) = pass.shape.outputs_of(row, pass.blocks.height());
            let sums = &mut sums[group * pass.group_planes(samples)..];
            let (values, row) = (pass.values(row, w), Row::new(&pass.blocks, row, offsets));
            for (at, v) in pass.tiles::<S>(length) {
                scatter(simd, row, (sums, at, v), values, (&output, length));
            }
        }
    }
}

struct Correlate<'a, 'b> {
    pass: &'a Pass<'a>,
    offsets: Indices<'a>,
    input: &'a [f32],
    dy: &'a [f32],
    samples: usize,
    first: usize,
    dw: &'b mut [f32],
}

impl WithSimd for Correlate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, offsets, input, dy, samples, first, dw } = self;
        let length = pass.planes.length(samples);
        let mut output = Scratch::new(pass.blocks.height() * length);
        for (row, dw) in (first..).zip(dw.chunks_exact_mut(pass.blocks.stored() * pass.blocks.height())) {
            pass.output(row, dy, samples, &mut output);
            let input = pass.group(row, samples, input);
            let row = Row::new(&pass.blocks, row, offsets);
            for at in (0..length).step_by(PIXELS) {
                let some = PIXELS.min(length - at);
                correlate(simd, row, (input, at, some), dw, (&output, length));
            }
        }
    }
}
