//! The passes of a block-sparse convolution on lines.
use super::sorted::Sorted;
use super::{CHANNELS, Lines, MOST, together};
use crate::gather::{self, Band, Row, Shifted, correlate, gather, gather_width, scatter, tile_width, tiles};
use crate::kernel::Operands;
use crate::layer::{Conv2d, Layer};
use crate::pattern::Blocks;
use crate::pool::{Scratch, for_each, split};
use crate::rows::{Outputs, Rows};
use crate::simd::{dispatch, relu_all, sum};
use crate::tile::Indices;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Elements of a line that gradients of weights are summed over at a time: those of a row of blocks stay in the first-level cache.
const ELEMENTS: usize = 1024;

/// Samples below which they are not worth being moved next to each other: those of a block of a transposition.
pub(crate) const FEW: usize = 8;

/// Runs a pass over the blocks of a sound convolution, whose operands fit.
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
        let sorted = Sorted::new(&blocks, &conv, rows.count());
        let pass = Pass { conv, rows, sorted, stored: blocks.stored(), threads };
        match operands {
            Operands::Forward { x, w, b, relu, y } => pass.forward(simd, x, w, (b, relu), y),
            Operands::BackwardInput { dy, w, dx } => pass.backward_input(simd, dy, w, dx),
            Operands::BackwardWeight { dy, x, dw, db } => pass.backward_weight(simd, dy, x, dw, db),
        }
    }
}

struct Pass {
    conv: Conv2d,
    rows: Rows,
    sorted: Sorted,
    stored: usize,
    threads: usize,
}

impl Pass {
    /// Samples that lie side by side, and how many threads share them: all, where they would be too few for each of its own.
    fn samples(&self, lanes: usize) -> (usize, usize) {
        let [each, all] = [self.threads, 1].map(|threads| together(&self.conv, lanes, threads).0);
        if each < FEW && all > each { (all, self.threads) } else { (each, 1) }
    }

    /// Elements before the channels of the group that a row of blocks reads.
    fn group_of(&self, row: usize, lines: &Lines) -> usize {
        self.rows.group(row) * self.conv.group_inputs() * lines.channel()
    }

    fn forward<S: Simd>(&self, simd: S, x: &[f32], w: &[f32], (b, relu): (Option<&[f32]>, bool), y: &mut [f32]) {
        let [image, size] = self.conv.sample_sizes();
        if y.is_empty() {
            return;
        }
        let w = &self.sorted.gather(w, self.stored);
        let (each, cuts) = self.samples(S::F32_LANES);
        for_each(self.threads / cuts, y.chunks_mut(each * size).enumerate(), |(i, y)| {
            let samples = y.len() / size;
            let lines = Lines::new(&self.conv, samples, S::F32_LANES);
            let input = self.input(simd, &x[i * each * image..][..samples * image], &lines, cuts);
            for_each(cuts, self.parts(y, cuts).into_iter(), |(rows, y)| {
                simd.vectorize(Gather { pass: self, lines: &lines, input: &input, w, b, relu, rows, y });
            });
        });
    }

    fn backward_input<S: Simd>(&self, simd: S, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        let [image, size] = self.conv.sample_sizes();
        if size == 0 {
            dx.fill(0.0);
        }
        if dx.is_empty() || size == 0 {
            return;
        }
        let w = &self.sorted.gather(w, self.stored);
        let (each, cuts) = self.samples(S::F32_LANES);
        for_each(self.threads / cuts, dx.chunks_mut(each * image).enumerate(), |(i, dx)| {
            let samples = dx.len() / image;
            let dy = &dy[i * each * size..][..samples * size];
            let lines = Lines::new(&self.conv, samples, S::F32_LANES);
            let part = |rows| (rows, Scratch::new(lines.span()));
            let mut sums: Vec<_> = split(self.rows.count(), cuts).map(part).collect();
            for_each(cuts, sums.iter_mut(), |(rows, sums)| {
                simd.vectorize(Scatter { pass: self, lines: &lines, dy, w, rows: rows.clone(), sums });
            });
            let (first, others) = sums.split_at_mut(1);
            let cut = self.conv.inputs.div_ceil(4 * cuts).next_multiple_of(CHANNELS);
            let all = lines.channels_mut(&mut first[0].1).chunks_mut(cut * lines.channel());
            let jobs = all.zip(pieces(dx, image, cut * image / self.conv.inputs)).enumerate();
            for_each(cuts, jobs, |(i, (all, dx))| {
                let at = lines.head() + i * cut * lines.channel();
                let others = others.iter().map(|(_, sums)| &sums[at..at + all.len()]).collect();
                simd.vectorize(Merge { lines: &lines, all, others, dx });
            });
        });
    }

    fn backward_weight<S: Simd>(&self, simd: S, dy: &[f32], x: &[f32], dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let [image, size] = self.conv.sample_sizes();
        if let Some(db) = &mut db {
            db[..self.conv.outputs].fill(0.0);
        }
        let mut sums = vec![0.0; self.rows.count() * self.sorted.row()];
        let (each, _) = together(&self.conv, S::F32_LANES, 1);
        for first in (0..self.conv.batch).step_by(each) {
            let samples = each.min(self.conv.batch - first);
            let (x, dy) = (&x[first * image..][..samples * image], &dy[first * size..][..samples * size]);
            let lines = Lines::new(&self.conv, samples, S::F32_LANES);
            let input = self.input(simd, x, &lines, self.threads);
            let jobs = self.rows.gradients((&mut sums, self.sorted.row()), db.as_deref_mut(), self.threads);
            for_each(self.threads, jobs.into_iter(), |(rows, dw, db)| {
                simd.vectorize(Correlate { pass: self, lines: &lines, input: &input, dy, rows, dw, db });
            });
        }
        self.sorted.scatter(&sums, dw, self.stored);
    }

    /// The output cut by rows of blocks: of each sample, the channels of these.
    fn parts<'y>(&self, y: &'y mut [f32], cuts: usize) -> Vec<Outputs<'y>> {
        let [_, size] = self.conv.sample_sizes();
        let count = if cuts > 1 { 4 * cuts } else { 1 };
        self.rows.parts(y, (size, size / self.conv.outputs.max(1)), count)
    }

    /// The lines of all channels, filled by some threads.
    fn input<S: Simd>(&self, simd: S, x: &[f32], lines: &Lines, threads: usize) -> Scratch {
        let mut input = Scratch::new(lines.span());
        let channels = lines.framed(&mut input);
        let cut = self.conv.inputs.div_ceil(4 * threads).next_multiple_of(CHANNELS);
        for_each(threads, channels.chunks_mut((cut * lines.channel()).max(1)).enumerate(), |(i, to)| {
            let channels = i * cut..((i + 1) * cut).min(self.conv.inputs);
            simd.vectorize(Fill { lines, x, channels, to });
        });
        input
    }
}

/// Writes the lines of some input channels.
struct Fill<'a, 'b> {
    lines: &'a Lines,
    x: &'a [f32],
    channels: Range<usize>,
    to: &'b mut [f32],
}

impl WithSimd for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.lines.fill_input(simd, self.x, self.channels, self.to);
    }
}

struct Gather<'a, 'b> {
    pass: &'a Pass,
    lines: &'a Lines,
    input: &'a [f32],
    w: &'a [f32],
    b: Option<&'a [f32]>,
    relu: bool,
    rows: Range<usize>,
    y: Vec<&'b mut [f32]>,
}

impl WithSimd for Gather<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, lines, input, w, b, relu, rows, mut y } = self;
        let (height, row) = (pass.rows.height(), pass.sorted.row());
        let (plane, width) = (lines.plane(), lines.width());
        let before = pass.rows.outputs(&rows).start;
        let offsets = lines.offsets();
        let (offsets, blocks) = (Indices::new(&offsets), pass.sorted.blocks());
        let tiles = tiles::<S>(width, |vectors| gather_width::<S>(height, vectors));
        let together = lines.together().max(height);
        let mut sums = Scratch::new(together * plane);
        let mut bias = [0.0; MOST];
        for rows in pass.rows.stretches(rows, together) {
            let outputs = pass.rows.outputs(&rows);
            if let Some(b) = b {
                bias.fill(0.0);
                bias[..outputs.len()].copy_from_slice(&b[outputs.clone()]);
            }
            let input = &input[pass.group_of(rows.start, lines)..];
            for line in 0..lines.rows() {
                for (r, i) in rows.clone().zip((0..).step_by(height)) {
                    let some = pass.sorted.of(r, lines.seen(line));
                    let values = &w[r * row + some.start * height..];
                    let blocks = Row::new(&blocks, r).some(some);
                    for &(at, vectors) in &tiles {
                        let sums = &mut sums[i * plane + line * width + at..];
                        let from = (Shifted::new(input, offsets), lines.at(line) + at);
                        gather(simd, blocks, from, values, &bias[i..][..height], (sums, plane, vectors));
                    }
                }
            }
            if relu {
                relu_all(simd, &mut sums[..outputs.len() * plane]);
            }
            for part in (0..outputs.len()).step_by(CHANNELS) {
                let first = outputs.start - before + part;
                let channels = first..(outputs.end - before).min(first + CHANNELS);
                lines.write_output(simd, &sums[part * plane..], channels, &mut y);
            }
        }
    }
}

/// Lines of the gradient of a stretch's output channels, zero where there is no pixel and no channel.
#[inline(always)]
fn fill<S: Simd>(simd: S, (pass, lines): (&Pass, &Lines), dy: &[f32], rows: &Range<usize>, memory: &mut [f32]) {
    let (outputs, plane) = (pass.rows.outputs(rows), lines.plane());
    for part in (0..outputs.len()).step_by(CHANNELS) {
        let channels = outputs.start + part..outputs.end.min(outputs.start + part + CHANNELS);
        lines.fill_output(simd, dy, channels, &mut memory[part * plane..]);
    }
    memory[outputs.len() * plane..rows.len() * pass.rows.height() * plane].fill(0.0);
}

struct Scatter<'a, 'b> {
    pass: &'a Pass,
    lines: &'a Lines,
    dy: &'a [f32],
    w: &'a [f32],
    rows: Range<usize>,
    sums: &'b mut [f32],
}

impl WithSimd for Scatter<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, lines, dy, w, rows, sums } = self;
        let (height, row) = (pass.rows.height(), pass.sorted.row());
        let (plane, width) = (lines.plane(), lines.width());
        let offsets = lines.offsets();
        let (offsets, blocks) = (Indices::new(&offsets), pass.sorted.blocks());
        let tiles = tiles::<S>(width, |vectors| tile_width(height, vectors));
        let together = lines.together().max(height);
        let mut memory = Scratch::new(together * plane);
        sums.fill(0.0);
        for rows in pass.rows.stretches(rows, together) {
            fill(simd, (pass, lines), dy, &rows, &mut memory);
            let sums = &mut sums[pass.group_of(rows.start, lines)..];
            for line in 0..lines.rows() {
                for (r, i) in rows.clone().zip((0..).step_by(height)) {
                    let some = pass.sorted.of(r, lines.seen(line));
                    let values = &w[r * row + some.start * height..];
                    let blocks = Row::new(&blocks, r).some(some);
                    for &(at, vectors) in &tiles {
                        let output = &memory[i * plane + line * width + at..];
                        let target = (Shifted::new(&mut *sums, offsets), lines.at(line) + at, vectors);
                        scatter(simd, blocks, target, values, (output, plane));
                    }
                }
            }
        }
    }
}

/// Samples of `size` elements, cut into pieces of at most `length`: for each place, the pieces of all samples.
fn pieces(samples: &mut [f32], size: usize, length: usize) -> Vec<Vec<&mut [f32]>> {
    let mut pieces: Vec<_> = (0..size.div_ceil(length)).map(|_| Vec::new()).collect();
    for sample in samples.chunks_mut(size) {
        pieces.iter_mut().zip(sample.chunks_mut(length)).for_each(|(pieces, piece)| pieces.push(piece));
    }
    pieces
}

/// Adds up the lines of some channels of all parts and writes them out.
struct Merge<'a, 'b> {
    lines: &'a Lines,
    all: &'b mut [f32],
    others: Vec<&'a [f32]>,
    dx: Vec<&'b mut [f32]>,
}

impl WithSimd for Merge<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lines, all, others, mut dx } = self;
        others.into_iter().for_each(|some| all.iter_mut().zip(some).for_each(|(sum, v)| *sum += v));
        lines.write_input(simd, all, &mut dx);
    }
}

struct Correlate<'a, 'b> {
    pass: &'a Pass,
    lines: &'a Lines,
    input: &'a [f32],
    dy: &'a [f32],
    rows: Range<usize>,
    dw: &'b mut [f32],
    db: &'b mut [f32],
}

impl WithSimd for Correlate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, lines, input, dy, rows, dw, db } = self;
        let (height, plane, width) = (pass.rows.height(), lines.plane(), lines.width());
        let offsets = lines.offsets();
        let (offsets, blocks) = (Indices::new(&offsets), pass.sorted.blocks());
        let mut memory = Scratch::new(height.max(CHANNELS) * plane);
        let mut gradients = dw.chunks_exact_mut(pass.sorted.row().max(1));
        let mut biases = db.iter_mut();
        let most = lines.rows().div_ceil((lines.rows() * width).div_ceil(ELEMENTS).max(1)).max(1);
        for rows in pass.rows.stretches(rows, CHANNELS) {
            fill(simd, (pass, lines), dy, &rows, &mut memory);
            let outputs = pass.rows.outputs(&rows).len();
            for (bias, plane) in biases.by_ref().take(outputs).zip(memory.chunks_exact(plane.max(1))) {
                *bias += sum(simd, plane);
            }
            let input = &input[pass.group_of(rows.start, lines)..];
            for ((r, i), dw) in rows.zip((0..).step_by(height)).zip(gradients.by_ref()) {
                let row = Row::new(&blocks, r);
                for k in 0..pass.conv.kernel[0] {
                    let some = pass.sorted.of(r, k..k + 1);
                    let dw = &mut dw[some.start * height..some.end * height];
                    let seeing = lines.seeing(k);
                    for first in seeing.clone().step_by(most) {
                        let steps = [lines.stride(), width];
                        let band = Band { lines: most.min(seeing.end - first), length: width, steps };
                        let output = &memory[i * plane + first * width..];
                        let from = (Shifted::new(input, offsets), lines.at(first));
                        let output = gather::Outputs::Strided(output, plane);
                        correlate(simd, row.some(some.clone()), from, band, dw, output);
                    }
                }
            }
        }
    }
}
