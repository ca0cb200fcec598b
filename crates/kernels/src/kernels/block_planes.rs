//! Block-sparse layers on many pixels.
use crate::error::Error;
use crate::gather::{Row, WIDEST, correlate, gather, scatter, tile_width};
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::Layer;
use crate::pattern::{Blocks, Format, Pattern, Shape};
use crate::planes::{Planes, Run};
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
/// Bytes of the output's planes that are in use at a time.
const OUTPUT: usize = 64 << 10;
/// Output channels that are written at a time, at most: whole cache lines of a linear layer's output. Of a convolution, whose channels are far apart,
/// a row of blocks is.
const CHANNELS: usize = 64;
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
        let threads = if layer.flops() * density < 1e6 { 1 } else { threads.max(1) };
        let pass = Pass { planes: Planes::new(&layer, S::F32_LANES), shape, blocks, threads };
        match operands {
            Operands::Forward { x, w, b, relu, y } => pass.forward(simd, x, w, (b, relu), y),
            Operands::BackwardInput { dy, w, dx } => pass.backward_input(simd, dy, w, dx),
            Operands::BackwardWeight { dy, x, dw, db } => pass.backward_weight(simd, dy, x, dw, db),
        }
    }
}

struct Pass<'a> {
    planes: Planes,
    shape: Shape,
    blocks: Blocks<'a>,
    threads: usize,
}

/// Some samples by some rows of blocks: for each sample, its output channels of those rows.
struct Part<'a> {
    samples: Range<usize>,
    rows: Range<usize>,
    out: Vec<&'a mut [f32]>,
}

/// A tile of pixels: where it begins, its vectors, and its stretches among all.
struct Tile {
    at: usize,
    vectors: usize,
    runs: Range<usize>,
}

impl Pass<'_> {
    /// Samples of a job when each has `channels` planes.
    fn samples(&self, channels: usize) -> usize {
        if self.planes.is_direct() {
            return 1;
        }
        let each = channels * self.planes.sample() * size_of::<f32>();
        let most = (CACHED / each.max(1)).max(1);
        let batch = self.planes.conv().batch;
        let jobs = batch.div_ceil(most).next_multiple_of(self.threads);
        batch.div_ceil(jobs).max(1)
    }

    /// Elements of a sample of x, and of y.
    fn sizes(&self) -> [usize; 2] {
        let conv = self.planes.conv();
        [conv.inputs * conv.size[0] * conv.size[1], conv.outputs * self.planes.pixels()]
    }

    fn rows(&self) -> usize {
        self.shape.rows(self.blocks.height())
    }

    /// The output channels of some rows of blocks.
    fn outputs(&self, rows: &Range<usize>) -> Range<usize> {
        let of = |row| self.shape.outputs_of(row, self.blocks.height()).1;
        if rows.is_empty() { 0..0 } else { of(rows.start).start..of(rows.end - 1).end }
    }

    /// Some rows of blocks cut into stretches of one group and at most `channels` output channels.
    #[inline(always)]
    fn stretches(&self, rows: Range<usize>, channels: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (each, most) = (self.shape.rows_of_group(self.blocks.height()), (channels / self.blocks.height()).max(1));
        let mut start = rows.start;
        std::iter::from_fn(move || {
            let end = ((start / each + 1) * each).min(start + most).min(rows.end);
            let stretch = start..end;
            start = end;
            (!stretch.is_empty()).then_some(stretch)
        })
    }

    /// The tiles of some samples, and their stretches.
    #[inline(always)]
    fn tiles<S: Simd>(&self, samples: usize) -> (Vec<Tile>, Vec<Run>) {
        let (mut tiles, mut runs) = (Vec::new(), Vec::new());
        let (mut at, length) = (0, self.planes.length(samples));
        while at < length {
            let vectors = tile_width(self.blocks.height(), (length - at) / S::F32_LANES);
            let (end, first) = (at + vectors * S::F32_LANES, runs.len());
            runs.extend(self.planes.runs(at..end, samples));
            tiles.push(Tile { at, vectors, runs: first..runs.len() });
            at = end;
        }
        (tiles, runs)
    }

    /// The values of a row of blocks.
    #[inline(always)]
    fn values<'v>(&self, row: usize, values: &'v [f32]) -> &'v [f32] {
        let each = self.blocks.stored() * self.blocks.height();
        &values[row * each..][..each]
    }

    /// Elements of the planes of a group of input channels.
    fn group(&self, samples: usize) -> usize {
        self.planes.conv().group_inputs() * self.planes.residues() * self.planes.span(samples)
    }

    /// Where the planes begin that a row of blocks reads.
    fn group_of(&self, row: usize, samples: usize) -> usize {
        self.shape.outputs_of(row, self.blocks.height()).0 * self.group(samples)
    }

    fn forward<S: Simd>(&self, simd: S, x: &[f32], w: &[f32], (b, relu): (Option<&[f32]>, bool), y: &mut [f32]) {
        let [image, _] = self.sizes();
        if y.is_empty() {
            return;
        }
        for_each(self.threads, self.parts(y).into_iter(), |part| {
            let x = &x[part.samples.start * image..part.samples.end * image];
            simd.vectorize(Gather { pass: self, x, w, b, relu, part });
        });
    }

    /// The output by samples, and by rows of blocks where there are too few samples for all threads.
    fn parts<'y>(&self, y: &'y mut [f32]) -> Vec<Part<'y>> {
        let conv = self.planes.conv();
        let each = self.samples(conv.inputs * self.planes.residues());
        let (pixels, [_, size]) = (self.planes.pixels(), self.sizes());
        let cuts = if conv.batch.div_ceil(each) < self.threads { self.threads } else { 1 };
        let mut parts = Vec::new();
        for (i, samples) in y.chunks_mut(each * size).enumerate() {
            let count = samples.len() / size;
            let part = |rows| Part { samples: i * each..i * each + count, rows, out: Vec::with_capacity(count) };
            let mut some: Vec<Part<'_>> = split(self.rows(), cuts).map(part).collect();
            for mut sample in samples.chunks_mut(size) {
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
        let [image, size] = self.sizes();
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
                simd.vectorize(Scatter { pass: self, dy, samples, w, rows: 0..self.rows(), sums: dx });
                return;
            }
            let part = |rows| (rows, Scratch::new(conv.groups * self.group(samples)));
            let mut sums: Vec<_> = split(self.rows(), cuts).map(part).collect();
            for_each(cuts, sums.iter_mut(), |(rows, sums)| {
                simd.vectorize(Scatter { pass: self, dy, samples, w, rows: rows.clone(), sums });
            });
            simd.vectorize(Merge { pass: self, sums, samples, dx: dx.chunks_mut(image).collect() });
        };
        if cuts > 1 { jobs.for_each(run) } else { for_each(self.threads, jobs, run) }
    }

    fn backward_weight<S: Simd>(&self, simd: S, dy: &[f32], x: &[f32], dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let conv = self.planes.conv();
        let [image, size] = self.sizes();
        let row = self.blocks.stored() * self.blocks.height();
        if let Some(db) = &mut db {
            db[..conv.outputs].fill(0.0);
        }
        for values in dw.chunks_exact_mut(row.max(1)) {
            values[..self.blocks.kept() * self.blocks.height()].fill(0.0);
        }
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
            let jobs = self.gradients(dw, db.as_deref_mut());
            for_each(self.threads, jobs.into_iter(), |(rows, dw, db)| {
                simd.vectorize(Correlate { pass: self, input, dy, samples, rows, dw, db });
            });
        }
    }

    /// The gradients of weights and bias, cut by rows of blocks.
    fn gradients<'g>(&self, mut dw: &'g mut [f32], db: Option<&'g mut [f32]>) -> Vec<Gradients<'g>> {
        let row = self.blocks.stored() * self.blocks.height();
        let (wanted, mut db) = (db.is_some(), db.unwrap_or_default());
        let parts = if self.threads > 1 { 4 * self.threads } else { 1 };
        let mut jobs = Vec::new();
        for rows in split(self.rows(), parts) {
            let (some, rest) = dw.split_at_mut(rows.len() * row);
            let (bias, others) = db.split_at_mut(if wanted { self.outputs(&rows).len() } else { 0 });
            jobs.push((rows, some, bias));
            (dw, db) = (rest, others);
        }
        jobs
    }

    /// The output planes of a stretch of rows of blocks, zero where there is no pixel and no channel; from `dy` or in `memory`.
    #[inline(always)]
    fn output<'o>(
        &self,
        rows: &Range<usize>,
        (dy, samples): (&'o [f32], usize),
        runs: &[Run],
        memory: &'o mut [f32],
    ) -> &'o [f32] {
        let (length, outputs) = (self.planes.length(samples), self.outputs(rows));
        let planes = rows.len() * self.blocks.height();
        if self.planes.is_direct() && outputs.len() == planes {
            return &dy[outputs.start * length..outputs.end * length];
        }
        let (used, rest) = memory[..planes * length].split_at_mut(outputs.len() * length);
        self.planes.fill_output(dy, samples, (outputs, runs), used);
        rest.fill(0.0);
        memory
    }

    /// Output channels whose planes are in use at a time.
    fn channels(&self, samples: usize) -> usize {
        let most = OUTPUT / (self.planes.length(samples) * size_of::<f32>()).max(1);
        most.clamp(1, CHANNELS).next_multiple_of(self.blocks.height())
    }
}

/// Rows of blocks, and the gradients of their weights and biases.
type Gradients<'a> = (Range<usize>, &'a mut [f32], &'a mut [f32]);

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
            planes.fill_input(x, samples, 0..planes.conv().inputs, &mut input);
        }
        let input = if planes.is_direct() { x } else { &input };
        let offsets = planes.offsets(samples);
        let offsets = Indices::new(&offsets);
        let (tiles, runs) = pass.tiles::<S>(samples);
        let first = pass.outputs(&part.rows).start;
        let mut sums = Scratch::new(CHANNELS * WIDEST * S::F32_LANES);
        let mut bias = [0.0; CHANNELS];
        let together = if planes.is_flat() { CHANNELS } else { height };
        for rows in pass.stretches(part.rows.clone(), together) {
            let outputs = pass.outputs(&rows);
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
                    let row = Row::new(&pass.blocks, row, offsets);
                    let sums = (&mut sums[i * width..][..height * width], tile.vectors);
                    gather(simd, row, (input, tile.at), values, &bias[i..][..height], sums);
                }
                if relu {
                    // Not a number stays what it is.
                    let sums = &mut sums[..rows.len() * height * width];
                    sums.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
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
        let (tiles, _) = pass.tiles::<S>(samples);
        let runs: Vec<Run> = pass.planes.runs(0..length, samples).collect();
        sums.fill(0.0);
        let channels = pass.channels(samples);
        let mut memory = Scratch::new(channels * length);
        for rows in pass.stretches(rows, channels) {
            let output = pass.output(&rows, (dy, samples), &runs, &mut memory);
            let sums = &mut sums[pass.group_of(rows.start, samples)..];
            for tile in &tiles {
                for (row, i) in rows.clone().zip((0..).step_by(height)) {
                    let values = pass.values(row, w);
                    let row = Row::new(&pass.blocks, row, offsets);
                    scatter(simd, row, (sums, tile.at, tile.vectors), values, (&output[i * length..], length));
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
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { pass, sums, samples, mut dx } = self;
        let mut sums = sums.into_iter().map(|(_, sums)| sums);
        let Some(mut all) = sums.next() else { return };
        sums.for_each(|some| all.iter_mut().zip(&*some).for_each(|(sum, v)| *sum += v));
        pass.planes.write_input(&all, samples, 0..pass.planes.conv().inputs, &mut dx);
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
    fn with_simd<S: Simd>(self, _simd: S) {
        self.pass.planes.fill_input(self.x, self.samples, self.channels, self.planes);
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
        for rows in pass.stretches(rows, channels) {
            let output = pass.output(&rows, (dy, samples), &runs, &mut memory);
            let outputs = pass.outputs(&rows).len();
            for (bias, plane) in biases.by_ref().take(outputs).zip(output.chunks_exact(length)) {
                *bias += sum(simd, plane);
            }
            let input = &input[pass.group_of(rows.start, samples)..];
            for ((row, i), dw) in rows.zip((0..).step_by(height)).zip(gradients.by_ref()) {
                let row = Row::new(&pass.blocks, row, offsets);
                for at in (0..length).step_by(PIXELS) {
                    let some = PIXELS.min(length - at);
                    correlate(simd, row, (input, at, some), dw, (&output[i * length..], length));
                }
            }
        }
    }
}

/// The sum of a whole number of vectors.
#[inline(always)]
fn sum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (vectors, _) = S::as_simd_f32s(values);
    let mut sums = [simd.splat_f32s(0.0); 4];
    for some in vectors.chunks(4) {
        sums.iter_mut().zip(some).for_each(|(sum, v)| *sum = simd.add_f32s(*sum, *v));
    }
    sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
}
