//! A convolution on the prefix of its input and output channels.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Conv2d, Layer};
use crate::pattern::Format;
use crate::pool::{Scratch, for_each, split};
use crate::product::{Accumulate, Blocks, Left, Packed, Product, pack_columns};
use crate::simd::{dispatch, transpose};
use crate::tile::Indices;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// An indirect product (Dukhan 2019): what a kernel's element sees of every output pixel lies at one distance from the pixel's own place in
/// the padded image, so that the image is read where it lies and no patches are copied.
#[derive(Clone, Copy, Debug)]
pub struct DenseConv2d;

impl Kernel for DenseConv2d {
    fn name(&self) -> &'static str {
        "dense_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense && matches!(key.layer, Layer::Conv2d(conv) if conv.is_sound())
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Conv2d(conv) = args.layer else { return Err(Error::new(self.name(), "not a convolution")) };
        if !conv.is_sound() {
            return Err(Error::new(self.name(), format!("{conv:?} is no convolution")));
        }
        dispatch(Call { conv, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

struct Call<'a> {
    conv: Conv2d,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, operands, threads } = self;
        let threads = if Layer::Conv2d(conv).flops() < 1e6 { 1 } else { threads };
        let narrow = |columns: usize| columns <= S::F32_LANES;
        let outputs = conv.group_outputs();
        match operands {
            Operands::Forward { x, w, b, relu, y } if narrow(outputs) => {
                forward::<S, 1>(simd, &conv, (x, w, b), relu, y, threads)
            }
            Operands::Forward { x, w, b, relu, y } => forward::<S, 2>(simd, &conv, (x, w, b), relu, y, threads),
            Operands::BackwardInput { dy, w, dx } if narrow(conv.group_inputs()) => {
                backward_input::<S, 1>(simd, &conv, (dy, w), dx, threads);
            }
            Operands::BackwardInput { dy, w, dx } => backward_input::<S, 2>(simd, &conv, (dy, w), dx, threads),
            Operands::BackwardWeight { dy, x, dw, db } if narrow(outputs) => {
                BackwardWeight { conv: &conv, dy, x, threads }.run::<S, 1>(simd, dw, db);
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                BackwardWeight { conv: &conv, dy, x, threads }.run::<S, 2>(simd, dw, db);
            }
        }
    }
}

/// A frame of zeros around images, or none.
#[derive(Clone, Copy)]
struct Frame {
    inner: [usize; 2],
    outer: [usize; 2],
    before: [usize; 2],
}

impl Frame {
    /// Elements of a framed plane.
    fn plane(&self) -> usize {
        self.outer[0] * self.outer[1]
    }

    fn is_bare(&self) -> bool {
        self.inner == self.outer
    }

    /// The planes with their frames, in `memory`; the planes themselves where there is no frame.
    #[inline(always)]
    fn around<'a>(&self, planes: &'a [f32], memory: &'a mut Option<Scratch>) -> &'a [f32] {
        if self.is_bare() {
            return planes;
        }
        let count = planes.len() / (self.inner[0] * self.inner[1]).max(1);
        let framed = memory.insert(Scratch::new(count * self.plane()));
        for i in 0..count {
            self.copy(planes, i, &mut framed[i * self.plane()..][..self.plane()]);
        }
        framed
    }

    #[inline(always)]
    fn copy(&self, planes: &[f32], index: usize, to: &mut [f32]) {
        let [height, width] = self.inner;
        let [top, left] = self.before;
        let plane = &planes[index * height * width..][..height * width];
        for (i, line) in to.chunks_exact_mut(self.outer[1]).enumerate() {
            match i.checked_sub(top).filter(|&i| i < height) {
                Some(i) => {
                    line[..left].fill(0.0);
                    line[left..left + width].copy_from_slice(&plane[i * width..][..width]);
                    line[left + width..].fill(0.0);
                }
                None => line.fill(0.0),
            }
        }
    }
}

impl Conv2d {
    fn input_frame(&self) -> Frame {
        let outer = [0, 1].map(|a| self.size[a] + 2 * self.padding[a]);
        Frame { inner: self.size, outer, before: self.padding }
    }

    /// Places of the output pixels in the framed images of `samples`.
    fn pixels(&self, frame: &Frame, samples: usize) -> Vec<u32> {
        let [height, width] = self.output_size();
        let sample = self.inputs * frame.plane();
        let mut places = Vec::with_capacity(samples * height * width);
        for n in 0..samples {
            for i in 0..height {
                let row = n * sample + i * self.stride[0] * frame.outer[1];
                places.extend((0..width).map(|j| (row + j * self.stride[1]) as u32));
            }
        }
        places
    }

    /// Distances of what the elements of `channels` channels' kernels see.
    fn elements(&self, frame: &Frame, channels: usize) -> Vec<u32> {
        let mut places = Vec::with_capacity(channels * self.kernel[0] * self.kernel[1]);
        for c in 0..channels {
            for i in 0..self.kernel[0] {
                let row = c * frame.plane() + i * self.dilation[0] * frame.outer[1];
                places.extend((0..self.kernel[1]).map(|j| (row + j * self.dilation[1]) as u32));
            }
        }
        places
    }
}

/// What one thread computes at a time: some panels of channels of some samples, and where they go.
struct Job<'a> {
    samples: Range<usize>,
    panels: Range<usize>,
    /// The first channel of its panels, and their number.
    channels: Range<usize>,
    out: &'a mut [f32],
}

/// Panels of the channels of all groups, one group after the other.
#[derive(Clone, Copy)]
struct Columns {
    /// Channels of a group.
    channels: usize,
    /// Panels of a group.
    panels: usize,
    groups: usize,
    width: usize,
}

impl Columns {
    fn new(channels: usize, groups: usize, width: usize) -> Self {
        Self { channels, panels: channels.div_ceil(width), groups, width }
    }

    fn count(&self) -> usize {
        self.panels * self.groups
    }

    /// Channels of a panel.
    fn of(&self, panel: usize) -> Range<usize> {
        let (group, index) = (panel / self.panels, panel % self.panels);
        let first = index * self.width;
        let base = group * self.channels;
        base + first..base + self.channels.min(first + self.width)
    }

    /// Splits an output `[batch, channels, plane]` into jobs.
    fn jobs<'a>(&self, out: &'a mut [f32], batch: usize, plane: usize, threads: usize) -> Vec<Job<'a>> {
        let threads = threads.max(1);
        let together = 64usize.div_ceil(plane).clamp(1, batch.div_ceil(threads));
        let sample_jobs = batch.div_ceil(together);
        let sample_jobs = if sample_jobs < 4 * threads { sample_jobs.next_multiple_of(threads) } else { sample_jobs };
        let parts = if batch < 2 * threads && !batch.is_multiple_of(threads) { 2 * threads } else { 1 };
        let mut jobs = Vec::new();
        let mut rest = out;
        for samples in split(batch, sample_jobs) {
            for panels in split(self.count(), if samples.len() == 1 { parts } else { 1 }) {
                let channels = self.of(panels.start).start..self.of(panels.end - 1).end;
                let (part, next) = rest.split_at_mut(samples.len() * channels.len() * plane);
                jobs.push(Job { samples: samples.clone(), panels, channels, out: part });
                rest = next;
            }
        }
        jobs
    }

    /// The parts of a range of panels that lie in one group each: the group, and its panels counted within it.
    fn by_group(&self, panels: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let per = self.panels;
        let groups = panels.start / per..panels.end.div_ceil(per);
        groups.map(move |g| (g, panels.start.max(g * per) - g * per..panels.end.min((g + 1) * per) - g * per))
    }
}

#[inline(always)]
fn forward<S: Simd, const V: usize>(
    simd: S,
    conv: &Conv2d,
    (x, w, b): (&[f32], &[f32], Option<&[f32]>),
    relu: bool,
    y: &mut [f32],
    threads: usize,
) {
    let width = V * S::F32_LANES;
    let [height, across] = conv.output_size();
    let pixels = height * across;
    if y.is_empty() {
        return;
    }
    let depth = conv.row();
    let columns = Columns::new(conv.group_outputs(), conv.groups, width);
    let mut packed = Scratch::new(columns.count() * depth * width);
    for_each(threads, packed.chunks_mut((depth * width).max(1)).enumerate(), |(index, panel)| {
        let channels = columns.of(index);
        pack_columns(&w[channels.start * conv.row_stride..], conv.row_stride, [depth, channels.len()], panel, width);
    });
    let bias = b.map(|b| {
        let mut padded = vec![0.0; columns.count() * width];
        for (index, line) in padded.chunks_exact_mut(width).enumerate() {
            let channels = columns.of(index);
            line[..channels.len()].copy_from_slice(&b[channels]);
        }
        padded
    });
    let frame = conv.input_frame();
    let elements = conv.elements(&frame, conv.group_inputs());
    let offsets = Indices::new(&elements);
    let image = conv.inputs * conv.size[0] * conv.size[1];
    let jobs = columns.jobs(y, conv.batch, pixels, threads);
    let most = jobs.iter().map(|job| job.samples.len()).max().unwrap_or(0);
    let places = conv.pixels(&frame, most);
    for_each(threads, jobs.into_iter(), |job| {
        let mut memory = None;
        let images = frame.around(&x[job.samples.start * image..job.samples.end * image], &mut memory);
        let bases = Indices::new(&places[..job.samples.len() * pixels]);
        for (group, panels) in columns.by_group(job.panels.clone()) {
            let x = &images[group * conv.group_inputs() * frame.plane()..];
            let left = Left { x, bases, offsets };
            let first = group * columns.panels;
            let right = Packed { data: &packed[first * depth * width..], depth, width };
            let start = |index: usize| bias.as_ref().map(|b| &b[(first + index) * width..][..width]);
            let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
                if relu {
                    sums.iter_mut().for_each(|v| *v = v.max(0.0));
                }
                let channels = columns.of(first + index);
                let local = channels.start - job.channels.start;
                write_planes(rows, sums, [channels.len(), width], [local, job.channels.len(), pixels], job.out);
            };
            simd.vectorize(Product::<_, _, _, V> { left, right, panels, blocks: Blocks::default(), start, write });
        }
    });
}

/// Writes sums `[rows, width]`, row r for pixel `r % plane` of sample `r / plane`, to the channels from `first` on of `[samples, channels, plane]`.
#[inline(always)]
fn write_planes(
    rows: Range<usize>,
    sums: &[f32],
    [columns, width]: [usize; 2],
    [first, channels, plane]: [usize; 3],
    out: &mut [f32],
) {
    let mut row = rows.start;
    while row < rows.end {
        let (sample, pixel) = (row / plane, row % plane);
        let count = (plane - pixel).min(rows.end - row);
        let to = &mut out[(sample * channels + first) * plane + pixel..];
        transpose(&sums[(row - rows.start) * width..], width, [count, columns], to, plane);
        row += count;
    }
}

/// The input pixels whose place in the stride's pattern is the same: the same elements of the kernel reach them.
struct Residue {
    /// Positions in a plane of x.
    pixels: Vec<u32>,
    /// Places of these pixels in a framed plane of dy.
    places: Vec<u32>,
    /// Elements of the kernel, and the distance that each adds.
    elements: Vec<(usize, u32)>,
}

impl Conv2d {
    /// The frame that dy needs so that every element of the kernel, turned around, stays within it.
    fn gradient_frame(&self) -> Frame {
        let inner = self.output_size();
        let before = [0, 1].map(|a| self.reach(a).saturating_sub(self.padding[a] / self.stride[a]));
        let outer = [0, 1].map(|a| {
            let last = (self.size[a] - 1 + self.padding[a]) / self.stride[a] - self.padding[a] / self.stride[a];
            (inner[a] + before[a]).max(last + 1 + before[a] + self.padding[a] / self.stride[a])
        });
        Frame { inner, outer, before }
    }

    /// Steps from a kernel's first element to its last.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) / self.stride[axis]
    }

    fn residues(&self, frame: &Frame) -> Vec<Residue> {
        let along = |axis: usize, residue: usize| {
            let (pad, stride) = (self.padding[axis], self.stride[axis]);
            let pixels: Vec<[usize; 2]> = (0..self.size[axis])
                .filter(|i| (i + pad) % stride == residue)
                .map(|i| [i, (i + pad) / stride - pad / stride])
                .collect();
            let shift = frame.before[axis] + pad / stride;
            let elements: Vec<[usize; 2]> = (0..self.kernel[axis])
                .map(|k| (k, k * self.dilation[axis]))
                .filter(|(_, far)| far % stride == residue)
                .map(|(k, far)| [k, shift - far / stride])
                .collect();
            (pixels, elements)
        };
        let mut found = Vec::new();
        for top in 0..self.stride[0] {
            for left in 0..self.stride[1] {
                let ((rows, down), (columns, right)) = (along(0, top), along(1, left));
                let pairs = |a: &[[usize; 2]], b: &[[usize; 2]], pitch: [usize; 2]| -> Vec<[usize; 2]> {
                    let pair = |i: &[usize; 2], j: &[usize; 2]| [i[0] * pitch[0] + j[0], i[1] * pitch[1] + j[1]];
                    a.iter().flat_map(|i| b.iter().map(move |j| pair(i, j))).collect()
                };
                let pixels = pairs(&rows, &columns, [self.size[1], frame.outer[1]]);
                let elements = pairs(&down, &right, [self.kernel[1], frame.outer[1]]);
                found.push(Residue {
                    pixels: pixels.iter().map(|p| p[0] as u32).collect(),
                    places: pixels.iter().map(|p| p[1] as u32).collect(),
                    elements: elements.iter().map(|e| (e[0], e[1] as u32)).collect(),
                });
            }
        }
        found.retain(|residue| !residue.pixels.is_empty());
        found
    }
}

#[inline(always)]
fn backward_input<S: Simd, const V: usize>(
    simd: S,
    conv: &Conv2d,
    (dy, w): (&[f32], &[f32]),
    dx: &mut [f32],
    threads: usize,
) {
    let width = V * S::F32_LANES;
    if dx.is_empty() {
        return;
    }
    if dy.is_empty() {
        dx.fill(0.0);
        return;
    }
    let frame = conv.gradient_frame();
    let residues = conv.residues(&frame);
    let columns = Columns::new(conv.group_inputs(), conv.groups, width);
    let outputs = conv.group_outputs();
    let taps = conv.kernel[0] * conv.kernel[1];
    let packed: Vec<Scratch> = residues
        .iter()
        .map(|residue| {
            let depth = outputs * residue.elements.len();
            let mut packed = Scratch::new(columns.count() * depth * width);
            for_each(threads, packed.chunks_mut((depth * width).max(1)).enumerate(), |(index, panel)| {
                let channels = columns.of(index);
                let group = index / columns.panels;
                let first = channels.start - group * conv.group_inputs();
                for (o, lines) in panel.chunks_exact_mut((residue.elements.len() * width).max(1)).enumerate() {
                    let row = &w[(group * outputs + o) * conv.row_stride + first * taps..][..channels.len() * taps];
                    for (line, &(element, _)) in lines.chunks_exact_mut(width).zip(&residue.elements) {
                        let (kept, rest) = line.split_at_mut(channels.len());
                        for (to, from) in kept.iter_mut().zip(row.chunks_exact(taps)) {
                            *to = from[element];
                        }
                        rest.fill(0.0);
                    }
                }
            });
            packed
        })
        .collect();
    let offsets: Vec<Vec<u32>> = residues
        .iter()
        .map(|residue| {
            let plane = frame.plane() as u32;
            (0..outputs as u32).flat_map(|o| residue.elements.iter().map(move |e| o * plane + e.1)).collect()
        })
        .collect();
    let pixels = conv.size[0] * conv.size[1];
    let image = conv.outputs * frame.inner[0] * frame.inner[1];
    let whole = residues.len() == 1;
    let jobs = columns.jobs(dx, conv.batch, pixels, threads);
    for_each(threads, jobs.into_iter(), |job| {
        let mut memory = None;
        let images = frame.around(&dy[job.samples.start * image..job.samples.end * image], &mut memory);
        for (residue, (packed, offsets)) in residues.iter().zip(packed.iter().zip(&offsets)) {
            let depth = offsets.len();
            let count = residue.places.len();
            let sample = conv.outputs * frame.plane();
            let bases: Vec<u32> = (0..job.samples.len())
                .flat_map(|n| residue.places.iter().map(move |&place| (n * sample) as u32 + place))
                .collect();
            let (bases, offsets) = (Indices::new(&bases), Indices::new(offsets));
            for (group, panels) in columns.by_group(job.panels.clone()) {
                let left = Left { x: &images[group * outputs * frame.plane()..], bases, offsets };
                let first = group * columns.panels;
                let right = Packed { data: &packed[first * depth * width..], depth, width };
                let write = |rows: Range<usize>, index: usize, sums: &mut [f32]| {
                    let channels = columns.of(first + index);
                    let local = channels.start - job.channels.start;
                    let to = [local, job.channels.len(), pixels];
                    if whole {
                        write_planes(rows, sums, [channels.len(), width], to, job.out);
                        return;
                    }
                    for (row, sums) in rows.zip(sums.chunks_exact(width)) {
                        let (n, pixel) = (row / count, residue.pixels[row % count] as usize);
                        for (c, v) in sums[..channels.len()].iter().enumerate() {
                            job.out[(n * to[1] + local + c) * pixels + pixel] = *v;
                        }
                    }
                };
                let blocks = Blocks::default();
                simd.vectorize(Product::<_, _, _, V> { left, right, panels, blocks, start: |_| None, write });
            }
        }
    });
}

struct BackwardWeight<'a> {
    conv: &'a Conv2d,
    dy: &'a [f32],
    x: &'a [f32],
    threads: usize,
}

/// What one thread adds up: samples, and rows of the gradient by input channel.
struct Part {
    samples: Range<usize>,
    channels: Range<usize>,
    sums: Scratch,
    bias: Vec<f32>,
}

impl BackwardWeight<'_> {
    /// Pixels that are taken at a time, at least, where there are as many.
    const PIXELS: usize = 256;

    #[inline(always)]
    fn run<S: Simd, const V: usize>(&self, simd: S, dw: &mut [f32], mut db: Option<&mut [f32]>) {
        let conv = self.conv;
        let width = V * S::F32_LANES;
        let taps = conv.kernel[0] * conv.kernel[1];
        let inputs = conv.group_inputs();
        let columns = Columns::new(conv.group_outputs(), conv.groups, width);
        let [height, across] = conv.output_size();
        let long = conv.batch * height * across >= 8 * Self::PIXELS && conv.batch >= self.threads;
        for group in 0..conv.groups {
            let (by_samples, by_channels) = if long { (self.threads, 1) } else { (1, self.threads) };
            let mut parts = Vec::new();
            for samples in split(conv.batch, by_samples) {
                for channels in split(inputs, by_channels) {
                    let sums = Scratch::new(columns.panels * channels.len() * taps * width);
                    let bias = vec![0.0; columns.panels * width];
                    parts.push(Part { samples: samples.clone(), channels, sums, bias });
                }
            }
            for_each(self.threads, parts.iter_mut(), |part| {
                self.part::<S, V>(simd, group, columns, part);
            });
            let mut parts = parts.into_iter();
            let mut rest = Vec::new();
            while let Some(mut part) = parts.next() {
                if long {
                    for other in parts.by_ref() {
                        part.sums.iter_mut().zip(&*other.sums).for_each(|(sum, v)| *sum += v);
                        part.bias.iter_mut().zip(&other.bias).for_each(|(sum, v)| *sum += v);
                    }
                }
                rest.push(part);
            }
            let outputs = group * conv.group_outputs()..(group + 1) * conv.group_outputs();
            if let (Some(db), Some(part)) = (&mut db, rest.first()) {
                db[outputs.clone()].copy_from_slice(&part.bias[..outputs.len()]);
            }
            for part in &rest {
                let rows = part.channels.len() * taps;
                for (index, sums) in part.sums.chunks_exact((rows * width).max(1)).enumerate() {
                    let count = width.min(outputs.len() - index * width);
                    let first = (outputs.start + index * width) * conv.row_stride + part.channels.start * taps;
                    transpose(sums, width, [rows, count], &mut dw[first..], conv.row_stride);
                }
            }
        }
    }

    #[inline(always)]
    fn part<S: Simd, const V: usize>(&self, simd: S, group: usize, columns: Columns, part: &mut Part) {
        let conv = self.conv;
        let width = V * S::F32_LANES;
        let [height, across] = conv.output_size();
        let pixels = height * across;
        let frame = conv.input_frame();
        let plane = conv.size[0] * conv.size[1];
        let channels = part.channels.len();
        let elements = conv.elements(&frame, channels);
        let bases = Indices::new(&elements);
        let together = Self::PIXELS.div_ceil(pixels.max(1)).min(part.samples.len()).max(1);
        let one = Conv2d { inputs: channels, ..*conv };
        let places = one.pixels(&frame, together);
        let mut framed = Scratch::new(together * channels * frame.plane());
        let mut packed = Scratch::new(columns.panels * together * pixels * width);
        let mut add = false;
        if part.samples.is_empty() || pixels == 0 {
            part.sums.fill(0.0);
            return;
        }
        for from in part.samples.clone().step_by(together) {
            let samples = from..(from + together).min(part.samples.end);
            let depth = samples.len() * pixels;
            for (i, n) in samples.clone().enumerate() {
                let first = n * conv.inputs + group * conv.group_inputs() + part.channels.start;
                for c in 0..channels {
                    frame.copy(
                        &self.x[(first + c) * plane..][..plane],
                        0,
                        &mut framed[(i * channels + c) * frame.plane()..][..frame.plane()],
                    );
                }
                for (index, panel) in packed.chunks_exact_mut(depth * width).take(columns.panels).enumerate() {
                    let outputs = columns.of(group * columns.panels + index);
                    let dy = &self.dy[(n * conv.outputs + outputs.start) * pixels..];
                    pack_columns(dy, pixels, [pixels, outputs.len()], &mut panel[i * pixels * width..], width);
                }
            }
            for (panel, bias) in packed.chunks_exact(depth * width).zip(part.bias.chunks_exact_mut(width)) {
                for line in panel.chunks_exact(width) {
                    bias.iter_mut().zip(line).for_each(|(sum, v)| *sum += v);
                }
            }
            let left = Left { x: &framed, bases, offsets: Indices::new(&places[..depth]) };
            let right = Packed { data: &packed, depth, width };
            let panels = 0..columns.panels;
            simd.vectorize(Accumulate::<_, V> { left, right, panels, sums: &mut part.sums, add });
            add = true;
        }
    }
}
