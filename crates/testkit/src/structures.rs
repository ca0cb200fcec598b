//! Steps of random graphs that take axes apart, put them together, or couple them in groups and heads.
use crate::mix::{Draw, Mix, of};
use supple_graph::operators::{
    Attention, Border, Concat, Constant, Conv, ConvTranspose, Cut, Expand, Gather, Gemm, Matmul, Pad, Reduce,
    Reduction, Slice, Softmax, Split, UnaryFunction,
};
use supple_graph::{Array, DType, Dim, Result, Value};

/// Steps on images, and on sequences.
pub(crate) const MAP_STRUCTURES: usize = 12;
pub(crate) const ROW_STRUCTURES: usize = 11;

/// Axes longer than this do not grow.
const LONGEST: usize = 12;

impl Mix {
    /// A step on `[batch, channel, h, w]`.
    pub(crate) fn map_structure(&mut self, x: Value, [kind, a, b]: Draw) -> Result<Value> {
        match kind {
            0 => {
                let other = self.conv(x, 1 + a % 4)?;
                self.beside(x, other, 1, b)
            }
            1 => self.beside(x, x, 1 + a % 3, b),
            2 => self.halves(x, 1, a),
            3 => self.part(x, 1 + a % 3, b),
            4 => self.frame(x, [1 + a % 3, 1 + b % 3], a + b),
            5 => self.grouped(x, a, b),
            6 => self.transposed(x, a, b),
            7 => self.shuffled(x, a),
            8 => self.flat(x, a),
            9 => self.windowed(x, a),
            10 => self.repeated(x, 1 + a % 3),
            _ => self.solid(x, a, b),
        }
    }

    /// A step on `[batch, token, feature]`.
    pub(crate) fn row_structure(&mut self, x: Value, [kind, a, b]: Draw) -> Result<Value> {
        match kind {
            0 => {
                let other = self.linear(x, 1 + a % 4)?;
                self.beside(x, other, 2, b)
            }
            1 => self.beside(x, x, 1 + a % 2, b),
            2 => self.halves(x, 2, a),
            3 => self.part(x, 1 + a % 2, b),
            4 => self.frame(x, [1 + a % 2, 2], a + b),
            5 | 6 => self.attention(x, a, b),
            7 => self.packed(x, a, b),
            8 => self.gemm(x, a, b),
            9 => self.gathered(x, 1 + a % 2, b),
            _ => self.along_tokens(x, a, b),
        }
    }

    /// Two tensors one after the other, unless that is too long.
    fn beside(&mut self, x: Value, y: Value, axis: usize, order: usize) -> Result<Value> {
        if self.length(x, axis) + self.length(y, axis) > LONGEST {
            return self.tape.map(UnaryFunction::Tanh, x);
        }
        let pair = if order.is_multiple_of(2) { [x, y] } else { [y, x] };
        self.tape.add(Concat { axis }, &pair)
    }

    /// The halves of an axis, one of them changed, in the other order; or one times the other as its gate.
    fn halves(&mut self, x: Value, axis: usize, a: usize) -> Result<Value> {
        let length = self.length(x, axis);
        if length < 2 {
            return self.tape.map(UnaryFunction::Relu, x);
        }
        let first = if a.is_multiple_of(3) { length.div_ceil(2) } else { 1 + a % (length - 1) };
        let left = self.tape.add(Split { axis, lengths: vec![first, length - first] }, &[x])?;
        let right = self.tape.map(UnaryFunction::Sigmoid, Value { slot: 1, ..left })?;
        if 2 * first == length && a.is_multiple_of(2) {
            return self.tape.times(left, right);
        }
        self.tape.add(Concat { axis }, &[right, left])
    }

    /// The first element of an axis in all its places.
    fn repeated(&mut self, x: Value, axis: usize) -> Result<Value> {
        let to = self.tape.shape(x);
        let first = self.tape.add(Slice { cuts: vec![Cut { axis, start: 0, end: 1, step: 1 }] }, &[x])?;
        let all = self.tape.add(Expand { to }, &[first])?;
        self.tape.sum(x, all)
    }

    /// Elements of an axis at fixed places, some of them counted from the end.
    fn gathered(&mut self, x: Value, axis: usize, b: usize) -> Result<Value> {
        let length = self.length(x, axis) as i64;
        let places = (0..3).map(|i| ((b as i64 + 2 * i) % (2 * length) - length) as f32).collect();
        let places = Constant { value: Array::new(vec![3], places)?, dtype: DType::I64 };
        let places = self.tape.add(places, &[])?;
        self.tape.add(Gather { axis }, &[x, places])
    }

    /// Some elements of an axis.
    fn part(&mut self, x: Value, axis: usize, b: usize) -> Result<Value> {
        let length = self.length(x, axis);
        let start = b % length;
        let end = (start + 1 + b % 5).min(length);
        self.tape.add(Slice { cuts: vec![Cut { axis, start, end, step: 1 + b % 2 }] }, &[x])
    }

    /// Elements before and after some axes.
    fn frame(&mut self, x: Value, axes: [usize; 2], a: usize) -> Result<Value> {
        let mut widths = vec![[0, 0]; self.tape.rank(x)];
        let border = of(&[Border::Value(0.0), Border::Value(0.5), Border::Edge, Border::Mirror], a);
        for axis in axes {
            let length = self.length(x, axis);
            let most = if border == Border::Mirror { length - 1 } else { 2 };
            widths[axis] = if length < LONGEST { [a % 2, a / 2 % 2].map(|width| width.min(most)) } else { [0, 0] };
        }
        self.tape.add(Pad { widths, border }, &[x])
    }

    /// A convolution in groups, perhaps of one channel each, and perhaps strided or dilated.
    fn grouped(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let channels = self.length(x, 1);
        let groups = of(&divisors(channels), a);
        let outputs = groups * (1 + b % 2);
        let taps = [2, 3].map(|axis| self.length(x, axis).min(1 + a % 3));
        let (w, bias) = (self.weight(&[outputs, channels / groups, taps[0], taps[1]])?, self.weight(&[outputs])?);
        let op = Conv::new(2).with_groups(groups).with_stride(1 + b % 2).with_padding(b % 2);
        self.tape.add(op, &[x, w, bias])
    }

    /// A convolution of the image as a solid of one layer, in groups, with taps before and behind it that lie in the padding; its layers become one again.
    fn solid(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let [batch, channels, rows, columns] = <[Dim; 4]>::try_from(self.tape.shape(x)).unwrap_or([Dim::Fixed(1); 4]);
        let solid = self.tape.reshape(x, &[batch, channels, Dim::Fixed(1), rows, columns])?;
        let groups = of(&divisors(channels.count()), a);
        let outputs = groups * (1 + b % 2);
        let taps = [2, 3].map(|axis| self.length(x, axis).min(1 + a % 2));
        let w = self.weight(&[outputs, channels.count() / groups, 1 + b % 3, taps[0], taps[1]])?;
        let bias = self.weight(&[outputs])?;
        let padding = vec![[b % 3, b % 2], [0, a % 2], [b % 2, 0]];
        let y = self.tape.add(Conv { padding, ..Conv::new(3) }.with_groups(groups), &[solid, w, bias])?;
        self.tape.add(Reduce { reduction: Reduction::Mean, axes: vec![2], keep: false }, &[y])
    }

    /// A convolution over neighbouring tokens, perhaps each feature for itself.
    fn along_tokens(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let width = self.length(x, 2);
        let groups = of(&[1, width], a);
        let turned = self.tape.permute(x, &[0, 2, 1])?;
        let taps = self.length(x, 1).min(1 + b % 3);
        let w = self.weight(&[width, width / groups, taps])?;
        let y = self.tape.add(Conv::new(1).with_groups(groups), &[turned, w])?;
        self.tape.permute(y, &[0, 2, 1])
    }

    /// A transposed convolution in groups.
    fn transposed(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let channels = self.length(x, 1);
        let groups = of(&divisors(channels), a);
        let per_group = 1 + b % 2;
        let stride = if self.length(x, 2).max(self.length(x, 3)) <= LONGEST / 2 { 1 + a % 2 } else { 1 };
        let (w, bias) = (self.weight(&[channels, per_group, 2, 2])?, self.weight(&[groups * per_group])?);
        let op = ConvTranspose { stride: vec![stride; 2], groups, ..ConvTranspose::new(2) };
        self.tape.add(op, &[x, w, bias])
    }

    /// Channels dealt out among groups (Zhang et al., 2018).
    fn shuffled(&mut self, x: Value, a: usize) -> Result<Value> {
        let shape = self.tape.shape(x);
        let groups = of(&divisors(shape[1].count()), a);
        let apart = [shape[0], Dim::Fixed(groups), Dim::Fixed(shape[1].count() / groups), shape[2], shape[3]];
        let apart = self.tape.reshape(x, &apart)?;
        let dealt = self.tape.permute(apart, &[0, 2, 1, 3, 4])?;
        self.tape.reshape(dealt, &shape)
    }

    /// Through a layer on all that an image holds.
    fn flat(&mut self, x: Value, a: usize) -> Result<Value> {
        let shape = self.tape.shape(x);
        let all = shape[1..].iter().map(|dim| dim.count()).product();
        let flat = self.tape.reshape(x, &[shape[0], Dim::Fixed(all)])?;
        let hidden = self.linear(flat, 1 + a % 5)?;
        self.tape.reshape(hidden, &[shape[0], Dim::Fixed(1 + a % 5), Dim::Fixed(1), Dim::Fixed(1)])
    }

    /// Layers on the channels as features of pixels that lie in two columns of windows.
    fn windowed(&mut self, x: Value, a: usize) -> Result<Value> {
        let [batch, channels, rows, columns] = <[Dim; 4]>::try_from(self.tape.shape(x)).unwrap_or([Dim::Fixed(1); 4]);
        let by = if columns.count().is_multiple_of(2) { 2 } else { 1 };
        let wide = Dim::Fixed(columns.count() / by);
        let apart = self.tape.reshape(x, &[batch, channels, rows, Dim::Fixed(by), wide])?;
        let last = self.tape.permute(apart, &[0, 3, 2, 4, 1])?;
        let wider = self.linear(last, 1 + a % 4)?;
        let back = self.linear(wider, channels.count())?;
        let back = self.tape.permute(back, &[0, 4, 2, 1, 3])?;
        let back = self.tape.reshape(back, &[batch, channels, rows, columns])?;
        self.tape.sum(x, back)
    }

    /// Tokens by features, as heads: `[batch, head, token, feature]`.
    pub(crate) fn in_heads(&mut self, x: Value, heads: usize) -> Result<Value> {
        let shape = self.tape.shape(x);
        let apart = [shape[0], shape[1], Dim::Fixed(heads), Dim::Fixed(shape[2].count() / heads)];
        let apart = self.tape.reshape(x, &apart)?;
        self.tape.permute(apart, &[0, 2, 1, 3])
    }

    /// From heads back to features, through a layer of `width` outputs.
    pub(crate) fn out_of_heads(&mut self, x: Value, width: usize) -> Result<Value> {
        let back = self.tape.permute(x, &[0, 2, 1, 3])?;
        let shape = self.tape.shape(back);
        let features = shape[2].count() * shape[3].count();
        let back = self.tape.reshape(back, &[shape[0], shape[1], Dim::Fixed(features)])?;
        self.linear(back, width)
    }

    /// Attention with a projection each, values as wide as they like, and perhaps a mask of weights.
    fn attention(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let (width, tokens, heads) = (self.length(x, 2), self.length(x, 1), 1 + a % 3);
        let widths = [1 + b % 3, 1 + b % 3, 1 + a % 2];
        let mut operands = Vec::new();
        for each in widths {
            let projected = self.linear(x, heads * each)?;
            operands.push(self.in_heads(projected, heads)?);
        }
        if b.is_multiple_of(2) {
            operands.push(self.weight(&[of(&[1, heads], a), tokens, tokens])?);
        }
        let mixed = self.tape.add(Attention::new(0.5, a.is_multiple_of(4)), &operands)?;
        let back = self.out_of_heads(mixed, width)?;
        self.tape.sum(x, back)
    }

    /// Attention written out, on one projection into queries, keys and values.
    fn packed(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let (width, heads, each) = (self.length(x, 2), 1 + a % 3, 1 + b % 3);
        let inner = heads * each;
        let all = self.linear(x, 3 * inner)?;
        let queries = self.tape.add(Split { axis: 2, lengths: vec![inner; 3] }, &[all])?;
        let mut heads_of = |slot| self.in_heads(Value { slot, ..queries }, heads);
        let [q, k, v] = [heads_of(0)?, heads_of(1)?, heads_of(2)?];
        let turned = self.tape.permute(k, &[0, 1, 3, 2])?;
        let scores = self.tape.add(Matmul {}, &[q, turned])?;
        let scores = self.tape.line(0.5, 0.0, scores)?;
        let weights = self.tape.add(Softmax { axis: 3 }, &[scores])?;
        let mixed = self.tape.add(Matmul {}, &[weights, v])?;
        let back = self.out_of_heads(mixed, width)?;
        self.tape.sum(x, back)
    }

    /// A product of the mean token, stored either way.
    fn gemm(&mut self, x: Value, a: usize, b: usize) -> Result<Value> {
        let shape = self.tape.shape(x);
        let (tokens, width, outputs) = (shape[1].count(), shape[2].count(), 1 + a % 4);
        let flat = self.tape.reshape(x, &[shape[0], Dim::Fixed(tokens * width)])?;
        let transposed_b = b.is_multiple_of(2);
        let stored = if transposed_b { [outputs, tokens * width] } else { [tokens * width, outputs] };
        let (w, c) = (self.weight(&stored)?, self.weight(&[outputs])?);
        let y = self.tape.add(Gemm { alpha: 0.5, beta: 2.0, transposed_a: false, transposed_b }, &[flat, w, c])?;
        self.tape.reshape(y, &[shape[0], Dim::Fixed(1), Dim::Fixed(outputs)])
    }
}

fn divisors(length: usize) -> Vec<usize> {
    (1..=length).filter(|&part| length.is_multiple_of(part)).collect()
}
