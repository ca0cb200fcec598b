//! The gradient of some planes of the input.
use super::layout::{products, span};
use super::line::{correlate, slack};
use crate::layer::Conv2d;
use crate::pool::Scratch;
use crate::simd::copy;
use pulp::{Simd, WithSimd};

pub(crate) struct BackwardInput<'a> {
    pub conv: &'a Conv2d,
    pub dy: &'a [f32],
    pub w: &'a [f32],
    /// The first plane of `dx`, counted over samples and channels.
    pub first: usize,
    pub dx: &'a mut [f32],
}

/// The pixels of dx whose place in the pattern of the strides is the same: the same elements of the kernel reach them.
struct Residue {
    /// The first pixel, by rows and columns.
    first: [usize; 2],
    /// Their rows and columns.
    count: [usize; 2],
    /// Where the first pixel stands in the framed plane of dy.
    place: usize,
    /// Elements of the kernel, and where each finds its pixel from there.
    elements: Vec<(usize, usize)>,
}

/// A plane of dy in a frame of zeros.
struct Framed {
    memory: Scratch,
    before: [usize; 2],
    pitch: usize,
}

impl Framed {
    fn new<S: Simd>(conv: &Conv2d) -> Self {
        let out = conv.output_size();
        let before = [0, 1].map(|a| conv.dilation[a] * (conv.kernel[a] - 1) / conv.stride[a]);
        let [rows, pitch] = [0, 1].map(|a| {
            let last = (conv.size[a] - 1 + conv.padding[a]) / conv.stride[a];
            before[a] + last.max(out[a]) + 1
        });
        let mut memory = Scratch::new(rows * pitch + slack::<S>());
        memory.fill(0.0);
        Self { memory, before, pitch }
    }

    /// Takes another plane of the same shape.
    #[inline(always)]
    fn take<S: Simd>(&mut self, dy: &[f32], width: usize) {
        for (i, line) in dy.chunks_exact(width).enumerate() {
            copy::<S>(line, &mut self.memory[(self.before[0] + i) * self.pitch + self.before[1]..]);
        }
    }

    fn residues(&self, conv: &Conv2d) -> Vec<Residue> {
        let all = 0..conv.stride[0] * conv.stride[1];
        let found = all.map(|r| self.residue(conv, [r / conv.stride[1], r % conv.stride[1]]));
        found.filter(|residue| residue.count[0] * residue.count[1] > 0).collect()
    }

    fn residue(&self, conv: &Conv2d, residue: [usize; 2]) -> Residue {
        let taps = |a: usize| {
            (0..conv.kernel[a])
                .filter(move |k| k * conv.dilation[a] % conv.stride[a] == residue[a])
                .map(move |k| (k, self.before[a] - k * conv.dilation[a] / conv.stride[a]))
        };
        let pair = |(k, down): (usize, usize)| {
            taps(1).map(move |(l, right)| (k * conv.kernel[1] + l, down * self.pitch + right))
        };
        let first = [0, 1].map(|a| (residue[a] + conv.stride[a] - conv.padding[a] % conv.stride[a]) % conv.stride[a]);
        let count = [0, 1].map(|a| conv.size[a].saturating_sub(first[a]).div_ceil(conv.stride[a]));
        let [row, column] = [0, 1].map(|a| (first[a] + conv.padding[a]) / conv.stride[a]);
        Residue { first, count, place: row * self.pitch + column, elements: taps(0).flat_map(pair).collect() }
    }
}

impl WithSimd for BackwardInput<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, dy, w, first, dx } = self;
        let [height, width] = conv.output_size();
        let (times, out) = (conv.group_outputs(), height * width);
        if out == 0 || times == 0 {
            dx.fill(0.0);
            return;
        }
        let mut framed = Framed::new::<S>(conv);
        let residues = framed.residues(conv);
        let longest = residues.iter().map(|residue| span(residue.count, framed.pitch)).max().unwrap_or(0);
        let mut line = Scratch::new(longest);
        for (i, dx) in dx.chunks_exact_mut(conv.size[0] * conv.size[1]).enumerate() {
            let (sample, channel) = ((first + i) / conv.inputs, (first + i) % conv.inputs);
            for o in channel * times..(channel + 1) * times {
                let dy = &dy[(sample * conv.outputs + o) * out..][..out];
                let w = &w[o * conv.row_stride..][..conv.row()];
                let add = o > channel * times;
                if !add {
                    dx.fill(0.0);
                }
                if w.iter().any(|w| !w.is_finite()) {
                    products(conv, |to, element, from| dx[to] += w[element] * dy[from]);
                    continue;
                }
                framed.take::<S>(dy, width);
                for residue in &residues {
                    residue.add(simd, (&framed, w), &mut line, conv, dx, add);
                }
            }
        }
    }
}

impl Residue {
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        (framed, w): (&Framed, &[f32]),
        line: &mut [f32],
        conv: &Conv2d,
        dx: &mut [f32],
        add: bool,
    ) {
        let elements: Vec<_> = self.elements.iter().map(|&(element, place)| (w[element], place)).collect();
        let line = &mut line[..span(self.count, framed.pitch)];
        correlate(simd, &framed.memory, self.place, &elements, 0.0, line);
        for (i, line) in line.chunks(framed.pitch).enumerate() {
            let to = &mut dx[(self.first[0] + i * conv.stride[0]) * conv.size[1]..][..conv.size[1]];
            let line = &line[..self.count[1]];
            if conv.stride[1] == 1 && !add {
                copy::<S>(line, to);
            } else {
                let to = to.iter_mut().skip(self.first[1]).step_by(conv.stride[1]);
                to.zip(line).for_each(|(to, sum)| *to += sum);
            }
        }
    }
}
