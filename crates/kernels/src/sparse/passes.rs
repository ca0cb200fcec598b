//! The passes of a sparse layer on planes of pixels.
use super::{CHANNELS, PIXELS, Part, Pass};
use crate::gather::{Band, Outputs, Row, Shifted, WIDEST, correlate, gather, gather_width, scatter, tile_width};
use crate::kernel::Operands;
use crate::layer::Layer;
use crate::pattern::Blocks;
use crate::planes::{Planes, Run};
use crate::pool::{Scratch, for_each, split};
use crate::rows::Rows;
use crate::simd::{dispatch, relu_all, sum};
use crate::tile::Indices;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Runs a pass over the blocks of a sound layer, whose operands fit.
pub(crate) fn run(layer: Layer, blocks: Blocks<'_>, operands: Operands<'_>, threads: usize) {
    dispatch(Call { layer, blocks, operands, threads });
}

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
        let (rows, threads) = Rows::of(&layer, &blocks, threads);
        let pass = Pass { planes: Planes::new(&layer, S::F32_LANES), rows, blocks, threads };
        match operands {
            Operands::Forward { x, w, b, relu, y } => pass.forward(simd, x, w, (b, relu), y),
            Operands::BackwardInput { dy, w, dx } => pass.backward_input(simd, dy, w, dx),
            Operands::BackwardWeight { dy, x, dw, db } => pass.backward_weight(simd, dy, x, dw, db),
        }
    }
}

impl Pass<'_> {
    fn forward<S: Simd>(&self, simd: S, x: &[f32], w: &[f32], (b, relu): (Option<&[f32]>, bool), y: &mut [f32]) {
        let [image, _] = self.planes.conv().sample_sizes();
        if y.is_empty() {
            return;
        }
        for_each(self.threads, self.parts(y).into_iter(), |part| {
            let x = &x[part.samples.start * image..part.samples.end * image];
            simd.vectorize(Gather { pass: self, x, w, b, relu, part });
        });
    }

    fn backward_input<S: Simd>(&self, simd: S, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        let conv = self.planes.conv();
        let [image, size] = self.planes.conv().sample_sizes();
        if size == 0 || conv.batch == 0 {
            dx.fill(0.0);
        }
        if dx.is_empty() || size == 0 {
            return;
        }
        let each = self.samples(conv.inputs * self.planes.residues());
        let cuts = if conv.batch.div_ceil(each) < self.threads { self.threads } else { 1 };
        let jobs = dx.chunks_mut(each * image).enumerate();
        let run = |(i, dx): (usize, &mut [f32])| {
            let samples = dx.len() / image;
            let dy = &dy[i * each * size..][..samples * size];
            if self.planes.is_direct() && cuts == 1 {
                simd.vectorize(Scatter { pass: self, dy, samples, w, rows: 0..self.rows.count(), sums: dx });
                return;
            }
            let part = |rows| (rows, Scratch::new(conv.groups * self.group(samples)));
            let mut sums: Vec<_> = split(self.rows.count(), cuts).map(part).collect();
            for_each(cuts, sums.iter_mut(), |(rows, sums)| {
                simd.vectorize(Scatter { pass: self, dy, samples, w, rows: rows.clone(), sums });
            });
            simd.vectorize(Merge { pass: self, sums, samples, dx: dx.chunks_mut(image).collect() });
        };
        if cuts > 1 { jobs.for_each(run) } else { for_each(self.threads, jobs, run) }
    }

    fn backward_weight<S: Simd>(&self, simd: S, dy: &[f32], x: &[f32], dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let conv = self.planes.conv();
        let [image, size] = self.planes.conv().sample_sizes();
        let row = self.blocks.stored() * self.blocks.height();
        if let Some(db) = &mut db {
            db[..conv.outputs].fill(0.0);
        }
        self.blocks.clear(dw);
        if dy.is_empty() {
            return;
        }
        let least = if self.planes.is_direct() { 1 } else { PIXELS.div_ceil(self.planes.sample()) };
        let each = self.samples(conv.inputs * self.planes.residues()).max(least).min(conv.batch);
        for samples in split(conv.batch, conv.batch.div_ceil(each)) {
            let x = &x[samples.start * image..samples.end * image];
            let dy = &dy[samples.start * size..samples.end * size];
            let samples = samples.len();
            let planes = self.planes.residues() * self.planes.span(samples);
            let mut input = Scratch::new(if self.planes.is_direct() { 0 } else { conv.inputs * planes });
            let cut = conv.inputs.div_ceil(4 * self.threads).next_multiple_of(16);
            for_each(self.threads, input.chunks_mut((cut * planes).max(1)).enumerate(), |(i, planes)| {
                let channels = i * cut..((i + 1) * cut).min(conv.inputs);
                simd.vectorize(Fill { pass: self, x, samples, channels, planes });
            });
            let input = if self.planes.is_direct() { x } else { &input };
            let jobs = self.rows.gradients((dw, row), db.as_deref_mut(), self.threads);
            for_each(self.threads, jobs.into_iter(), |(rows, dw, db)| {
                simd.vectorize(Correlate { pass: self, input, dy, samples, rows, dw, db });
            });
        }
    }
}

struct Gather<'a, 'b> {
    pass: &'a Pass<'a>,
    x: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    part: Part<'b>,
}

impl WithSimd for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, x, w, b, relu, mut part } = self;
        let (planes, samples, height) = (&pass.planes, part.samples.len(), pass.blocks.height());
        let mut input = Scratch::new(if planes.is_direct() { 0 } else { planes.conv().groups * pass.group(samples) });
        if !planes.is_direct() {
            planes.fill_input(simd, x, samples, 0..planes.conv().inputs, &mut input);
        }
        let input = if planes.is_direct() { x } else { &input };
        let offsets = planes.offsets(samples);
        let offsets = Indices::new(&offsets);
        let (tiles, runs) = pass.tiles::<S>(samples, gather_width::<S>);
        let first = pass.rows.outputs(&part.rows).start;
        let mut sums = Scratch::new(CHANNELS * WIDEST * S::F32_LANES);
        let mut bias = [0.0; CHANNELS];
        let together = if planes.is_flat() { CHANNELS } else { height };
        for rows in pass.rows.stretches(part.rows.clone(), together) {
            let outputs = pass.rows.outputs(&rows);
            if let Some(b) = b {
                bias[..outputs.len()].copy_from_slice(&b[outputs.clone()]);
                bias[outputs.len()..].fill(0.0);
            }
            let input = &input[pass.group_of(rows.start, samples)..];
            for tile in &tiles {
                let width = tile.vectors * S::F32_LANES;
                let range = (tile.at..tile.at + width, &runs[tile.runs.clone()]);
                let channels = outputs.start - first..outputs.end - first;
                planes.prefetch_output(range.clone(), channels.clone(), &part.out);
                for (row, i) in rows.clone().zip((0..).step_by(height)) {
                    let values = pass.values(row, w);
                    let row = Row::new(&pass.blocks, row);
                    let sums = (&mut sums[i * width..][..height * width], width, tile.vectors);
                    gather(simd, row, (Shifted::new(input, offsets), tile.at), values, &bias[i..][..height], sums);
                }
                if relu {
                    relu_all(simd, &mut sums[..rows.len() * height * width]);
                }
                planes.write_output(&sums, range, channels, &mut part.out);
            }
        }
    }
}

struct Scatter<'a, 'b> {
    pass: &'a Pass<'a>,
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
        let Self { pass, dy, samples, w, rows, sums } = self;
        let (length, height) = (pass.planes.length(samples), pass.blocks.height());
        let offsets = pass.planes.offsets(samples);
        let offsets = Indices::new(&offsets);
        let (tiles, _) = pass.tiles::<S>(samples, tile_width);
        let runs: Vec<Run> = pass.planes.runs(0..length, samples).collect();
        sums.fill(0.0);
        let channels = pass.channels(samples);
        let mut memory = Scratch::new(channels * length);
        for rows in pass.rows.stretches(rows, channels) {
            let output = pass.output(&rows, (dy, samples), &runs, &mut memory);
            let sums = &mut sums[pass.group_of(rows.start, samples)..];
            for tile in &tiles {
                for (row, i) in rows.clone().zip((0..).step_by(height)) {
                    let values = pass.values(row, w);
                    let row = Row::new(&pass.blocks, row);
                    let output = &output[i * length + tile.at..];
                    let target = Shifted::new(&mut *sums, offsets);
                    scatter(simd, row, (target, tile.at, tile.vectors), values, (output, length));
                }
            }
        }
    }
}

/// Adds up the planes of all parts and writes them out.
struct Merge<'a, 'b> {
    pass: &'a Pass<'a>,
    sums: Vec<(Range<usize>, Scratch)>,
    samples: usize,
    dx: Vec<&'b mut [f32]>,
}

impl WithSimd for Merge<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, sums, samples, mut dx } = self;
        let mut sums = sums.into_iter().map(|(_, sums)| sums);
        let Some(mut all) = sums.next() else { return };
        sums.for_each(|some| all.iter_mut().zip(&*some).for_each(|(sum, v)| *sum += v));
        pass.planes.write_input(simd, &all, samples, &mut dx);
    }
}

/// Writes the planes of some input channels.
struct Fill<'a, 'b> {
    pass: &'a Pass<'a>,
    x: &'a [f32],
    samples: usize,
    channels: Range<usize>,
    planes: &'b mut [f32],
}

impl WithSimd for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.pass.planes.fill_input(simd, self.x, self.samples, self.channels, self.planes);
    }
}

struct Correlate<'a, 'b> {
    pass: &'a Pass<'a>,
    input: &'a [f32],
    dy: &'a [f32],
    samples: usize,
    rows: Range<usize>,
    dw: &'b mut [f32],
    db: &'b mut [f32],
}

impl WithSimd for Correlate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, input, dy, samples, rows, dw, db } = self;
        let (length, height) = (pass.planes.length(samples), pass.blocks.height());
        let offsets = pass.planes.offsets(samples);
        let offsets = Indices::new(&offsets);
        let runs: Vec<Run> = pass.planes.runs(0..length, samples).collect();
        let channels = pass.channels(samples);
        let mut memory = Scratch::new(channels * length);
        let mut gradients = dw.chunks_exact_mut((pass.blocks.stored() * height).max(1));
        let mut biases = db.iter_mut();
        for rows in pass.rows.stretches(rows, channels) {
            let output = pass.output(&rows, (dy, samples), &runs, &mut memory);
            let outputs = pass.rows.outputs(&rows).len();
            for (bias, plane) in biases.by_ref().take(outputs).zip(output.chunks_exact(length)) {
                *bias += sum(simd, plane);
            }
            let input = &input[pass.group_of(rows.start, samples)..];
            for ((row, i), dw) in rows.zip((0..).step_by(height)).zip(gradients.by_ref()) {
                let row = Row::new(&pass.blocks, row);
                for at in (0..length).step_by(PIXELS) {
                    let band = Band::line(PIXELS.min(length - at));
                    let from = (Shifted::new(input, offsets), at);
                    correlate(simd, row, from, band, dw, Outputs::Strided(&output[i * length + at..], length));
                }
            }
        }
    }
}
