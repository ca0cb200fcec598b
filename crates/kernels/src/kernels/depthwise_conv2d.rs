//! A convolution of each channel on its own.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Conv2d, Layer};
use crate::pattern::Format;
use crate::pool::{Scratch, for_each};
use crate::simd::{dispatch, load, multiply_add, store};
use pulp::{Simd, WithSimd};

/// Vectors along a line of the output. There are as few products as data, so nothing is gained from a matrix product.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2d;

impl Kernel for DepthwiseConv2d {
    fn name(&self) -> &'static str {
        "depthwise_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense
            && matches!(key.layer, Layer::Conv2d(conv) if conv.is_sound() && conv.inputs == conv.groups && conv.groups > 1)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let key = args.key();
        match args.layer {
            Layer::Conv2d(conv) if self.takes(&key) => {
                dispatch(Call { conv, operands: args.operands, threads: args.threads });
                Ok(())
            }
            _ => Err(Error::new(self.name(), "not a depthwise convolution")),
        }
    }
}

/// Vectors of a line that are summed at a time.
const STRIP: usize = 4;
/// Elements of the kernel whose gradients are summed at a time.
const ELEMENTS: usize = 9;

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
        let (plane, out) = (conv.size[0] * conv.size[1], conv.output_size()[0] * conv.output_size()[1]);
        let times = conv.group_outputs();
        match operands {
            Operands::Forward { x, w, b, relu, y } => {
                let jobs = y.chunks_mut(out.max(1)).enumerate();
                for_each(threads, jobs, |(index, y)| {
                    let (sample, o) = (index / conv.outputs, index % conv.outputs);
                    let x = &x[(sample * conv.inputs + o / times) * plane..][..plane];
                    let w = &w[o * conv.row_stride..][..conv.row()];
                    simd.vectorize(Forward { conv: &conv, x, w, bias: b.map_or(0.0, |b| b[o]), relu, y });
                });
            }
            Operands::BackwardInput { dy, w, dx } => {
                let jobs = dx.chunks_mut(plane.max(1)).enumerate();
                for_each(threads, jobs, |(index, dx)| {
                    let (sample, channel) = (index / conv.inputs, index % conv.inputs);
                    dx.fill(0.0);
                    for o in channel * times..(channel + 1) * times {
                        let dy = &dy[(sample * conv.outputs + o) * out..][..out];
                        let w = &w[o * conv.row_stride..][..conv.row()];
                        simd.vectorize(BackwardInput { conv: &conv, dy, w, dx });
                    }
                });
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                let mut none = [];
                let biases = db.map_or(none.chunks_mut(1), |db| db[..conv.outputs].chunks_mut(1));
                let biases = biases.map(Some).chain(std::iter::repeat_with(|| None));
                let jobs = dw.chunks_mut(conv.row_stride).take(conv.outputs).zip(biases).enumerate();
                for_each(threads, jobs, |(o, (dw, db))| {
                    simd.vectorize(BackwardWeight { conv: &conv, dy, x, o, dw: &mut dw[..conv.row()], db });
                });
            }
        }
    }
}

/// A plane of x, padded, its columns dealt out by their remainder by the stride: what an element of the kernel sees of a line of the output is
/// then contiguous.
struct Dealt {
    memory: Scratch,
    height: usize,
    pitch: usize,
}

impl Dealt {
    fn new<S: Simd>(conv: &Conv2d) -> Self {
        let [height, width] = [0, 1].map(|a| conv.size[a] + 2 * conv.padding[a]);
        let pitch = width.div_ceil(conv.stride[1]) + S::F32_LANES;
        let mut memory = Scratch::new(conv.stride[1] * height * pitch);
        memory.fill(0.0);
        Self { memory, height, pitch }
    }

    /// Takes another plane of the same shape.
    #[inline(always)]
    fn deal(&mut self, conv: &Conv2d, x: &[f32]) {
        for (i, line) in x.chunks_exact(conv.size[1]).enumerate() {
            let row = i + conv.padding[0];
            if conv.stride[1] == 1 {
                self.memory[row * self.pitch + conv.padding[1]..][..line.len()].copy_from_slice(line);
                continue;
            }
            for phase in 0..conv.stride[1] {
                let first = (phase + conv.stride[1] - conv.padding[1] % conv.stride[1]) % conv.stride[1];
                let to = (phase * self.height + row) * self.pitch + (first + conv.padding[1]) / conv.stride[1];
                let from = line.iter().skip(first).step_by(conv.stride[1]);
                self.memory[to..].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// For each element of the kernel, where the first line of the output finds it.
    fn places(&self, conv: &Conv2d) -> Vec<usize> {
        let place = |e: usize| {
            let (row, column) = (e / conv.kernel[1] * conv.dilation[0], e % conv.kernel[1] * conv.dilation[1]);
            (column % conv.stride[1] * self.height + row) * self.pitch + column / conv.stride[1]
        };
        (0..conv.kernel[0] * conv.kernel[1]).map(place).collect()
    }
}

/// `out[j] = bias + sum of weight * plane[base + place + j]` over the elements.
#[inline(always)]
fn line<S: Simd>(simd: S, plane: &[f32], base: usize, elements: &[(f32, usize)], bias: f32, out: &mut [f32]) {
    let lanes = S::F32_LANES;
    let mut at = base;
    let mut strips = out.chunks_exact_mut(STRIP * lanes);
    for strip in &mut strips {
        let mut sums = [simd.splat_f32s(bias); STRIP];
        for &(weight, place) in elements {
            let weight = simd.splat_f32s(weight);
            let seen = &plane[at + place..][..STRIP * lanes];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = multiply_add(simd, weight, load::<S>(seen, v * lanes), *sum);
            }
        }
        sums.iter().enumerate().for_each(|(v, sum)| store::<S>(*sum, &mut strip[v * lanes..]));
        at += STRIP * lanes;
    }
    for part in strips.into_remainder().chunks_mut(lanes) {
        let mut sum = simd.splat_f32s(bias);
        for &(weight, place) in elements {
            sum = multiply_add(simd, simd.splat_f32s(weight), load::<S>(plane, at + place), sum);
        }
        store::<S>(sum, part);
        at += lanes;
    }
}

struct Forward<'a> {
    conv: &'a Conv2d,
    x: &'a [f32],
    w: &'a [f32],
    bias: f32,
    relu: bool,
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let conv = self.conv;
        let mut dealt = Dealt::new::<S>(conv);
        dealt.deal(conv, self.x);
        let elements: Vec<_> = self.w.iter().copied().zip(dealt.places(conv)).collect();
        for (i, out) in self.y.chunks_exact_mut(conv.output_size()[1]).enumerate() {
            line(simd, &dealt.memory, i * conv.stride[0] * dealt.pitch, &elements, self.bias, out);
            if self.relu {
                out.iter_mut().for_each(|v| *v = v.max(0.0));
            }
        }
    }
}

struct BackwardInput<'a> {
    conv: &'a Conv2d,
    dy: &'a [f32],
    w: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for BackwardInput<'_> {
    type Output = ();

    /// Each line of dx adds lines of dy, framed with zeros; with a stride, the pixels of one remainder at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let conv = self.conv;
        let [height, width] = conv.output_size();
        if height * width == 0 {
            return;
        }
        let [up, left] = [0, 1].map(|a| conv.dilation[a] * (conv.kernel[a] - 1) / conv.stride[a]);
        let [rows, columns] = [0, 1].map(|a| {
            let last = (conv.size[a] - 1 + conv.padding[a]) / conv.stride[a];
            [up, left][a] + last.max([height, width][a]) + 1
        });
        let pitch = columns + STRIP * S::F32_LANES;
        let mut framed = Scratch::new(rows * pitch);
        framed.fill(0.0);
        for (i, line) in self.dy.chunks_exact(width).enumerate() {
            framed[(up + i) * pitch + left..][..width].copy_from_slice(line);
        }
        let mut sums = vec![0.0; conv.size[1]];
        for residue in 0..conv.stride[0] * conv.stride[1] {
            let residue = [residue / conv.stride[1], residue % conv.stride[1]];
            let taps =
                |a: usize| (0..conv.kernel[a]).filter(move |k| k * conv.dilation[a] % conv.stride[a] == residue[a]);
            let far = |a: usize, k: usize| [up, left][a] - k * conv.dilation[a] / conv.stride[a];
            let mut elements = Vec::new();
            for k in taps(0) {
                let weight = |l: usize| self.w[k * conv.kernel[1] + l];
                elements.extend(taps(1).map(|l| (weight(l), far(0, k) * pitch + far(1, l))));
            }
            let first = |a: usize| (residue[a] + conv.stride[a] - conv.padding[a] % conv.stride[a]) % conv.stride[a];
            let (top, begin) = (first(0), first(1));
            let count = conv.size[1].saturating_sub(begin).div_ceil(conv.stride[1]);
            for i in (top..conv.size[0]).step_by(conv.stride[0]) {
                let place = (i + conv.padding[0]) / conv.stride[0] * pitch + (begin + conv.padding[1]) / conv.stride[1];
                line(simd, &framed, place, &elements, 0.0, &mut sums[..count]);
                let to = self.dx[i * conv.size[1]..][..conv.size[1]].iter_mut().skip(begin).step_by(conv.stride[1]);
                to.zip(&sums).for_each(|(to, sum)| *to += sum);
            }
        }
    }
}

struct BackwardWeight<'a> {
    conv: &'a Conv2d,
    dy: &'a [f32],
    x: &'a [f32],
    o: usize,
    dw: &'a mut [f32],
    db: Option<&'a mut [f32]>,
}

impl WithSimd for BackwardWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let conv = self.conv;
        let lanes = S::F32_LANES;
        let [height, width] = conv.output_size();
        let (plane, out) = (conv.size[0] * conv.size[1], height * width);
        let mut dealt = Dealt::new::<S>(conv);
        let places = dealt.places(conv);
        let pitch = width.next_multiple_of(lanes);
        let mut lines = Scratch::new(height * pitch);
        lines.fill(0.0);
        self.dw.fill(0.0);
        let mut bias = 0.0;
        for n in 0..conv.batch {
            dealt.deal(conv, &self.x[(n * conv.inputs + self.o / conv.group_outputs()) * plane..][..plane]);
            let dy = &self.dy[(n * conv.outputs + self.o) * out..][..out];
            for (line, from) in lines.chunks_exact_mut(pitch.max(1)).zip(dy.chunks_exact(width.max(1))) {
                line[..width].copy_from_slice(from);
            }
            for (dw, places) in self.dw.chunks_mut(ELEMENTS).zip(places.chunks(ELEMENTS)) {
                let mut sums = [simd.splat_f32s(0.0); ELEMENTS];
                for (i, line) in lines.chunks_exact(pitch.max(1)).enumerate() {
                    let base = i * conv.stride[0] * dealt.pitch;
                    for j in (0..pitch).step_by(lanes) {
                        let d = load::<S>(line, j);
                        for (sum, place) in sums.iter_mut().zip(places) {
                            *sum = multiply_add(simd, d, load::<S>(&dealt.memory, base + place + j), *sum);
                        }
                    }
                }
                dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw += simd.reduce_sum_f32s(sum));
            }
            bias += dy.iter().sum::<f32>();
        }
        if let Some([db]) = self.db {
            *db = bias;
        }
    }
}
