//! What kernels are compared with: the plain sum that each layer stands for.
#![allow(dead_code, reason = "not every test needs all of it")]
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Args, Conv2d, Layer, Linear, Operands, Pattern};

pub const PHASES: [Phase; 3] = [Phase::Forward, Phase::BackwardInput, Phase::BackwardWeight];

pub fn values(length: usize, seed: u64) -> Vec<f32> {
    let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let states = std::iter::successors(Some(next(seed)), |&s| Some(next(s)));
    states.take(length).map(|s| (s >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0).collect()
}

/// Calls `term` with the positions in x, W and y of every product of the layer.
pub fn products(layer: &Layer, mut term: impl FnMut(usize, usize, usize)) {
    match *layer {
        Layer::Linear(Linear { rows, inputs, outputs, row_stride }) => {
            for r in 0..rows {
                for o in 0..outputs {
                    (0..inputs).for_each(|i| term(r * inputs + i, i * row_stride + o, r * outputs + o));
                }
            }
        }
        Layer::Conv2d(conv) => {
            let [height, width] = conv.output_size();
            let source = |axis: usize, o: usize, k: usize| {
                let at = (o * conv.stride[axis] + k * conv.dilation[axis]).checked_sub(conv.padding[axis]);
                at.filter(|&at| at < conv.size[axis])
            };
            for y in 0..conv.batch * conv.outputs * height * width {
                let (column, rest) = (y % width, y / width);
                let (row, rest) = (rest % height, rest / height);
                let (o, sample) = (rest % conv.outputs, rest / conv.outputs);
                let first = o / conv.group_outputs() * conv.group_inputs();
                for element in 0..conv.row() {
                    let (l, rest) = (element % conv.kernel[1], element / conv.kernel[1]);
                    let (k, i) = (rest % conv.kernel[0], rest / conv.kernel[0]);
                    let (Some(h), Some(v)) = (source(0, row, k), source(1, column, l)) else { continue };
                    let x = ((sample * conv.inputs + first + i) * conv.size[0] + h) * conv.size[1] + v;
                    term(x, o * conv.row_stride + element, y);
                }
            }
        }
    }
}

/// The output channel of every element of y.
pub fn channel(layer: &Layer, y: usize) -> usize {
    match *layer {
        Layer::Linear(layer) => y % layer.outputs,
        Layer::Conv2d(conv) => y / conv.output_size().iter().product::<usize>() % conv.outputs,
    }
}

/// A layer's operands, and what each pass must make of them.
pub struct Case {
    pub layer: Layer,
    pub x: Vec<f32>,
    pub w: Vec<f32>,
    pub b: Vec<f32>,
    pub dy: Vec<f32>,
}

impl Case {
    pub fn new(layer: Layer, seed: u64) -> Self {
        let [x, w, b, y] = layer.lengths();
        let of = |length, salt| values(length, seed ^ salt);
        Self { layer, x: of(x, 1), w: of(w, 2), b: of(b, 3), dy: of(y, 4) }
    }

    pub fn forward(&self, biased: bool, relu: bool) -> Vec<f64> {
        let bias = |y| if biased { f64::from(self.b[channel(&self.layer, y)]) } else { 0.0 };
        let mut sums: Vec<f64> = (0..self.dy.len()).map(bias).collect();
        products(&self.layer, |x, w, y| sums[y] += f64::from(self.x[x]) * f64::from(self.w[w]));
        if relu { sums.into_iter().map(|v| v.max(0.0)).collect() } else { sums }
    }

    pub fn backward_input(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.x.len()];
        products(&self.layer, |x, w, y| sums[x] += f64::from(self.dy[y]) * f64::from(self.w[w]));
        sums
    }

    /// Of the weights, where one is none of the prefix's not a number, and of the bias.
    pub fn backward_weight(&self) -> (Vec<f64>, Vec<f64>) {
        let mut dw = vec![f64::NAN; self.w.len()];
        let (rows, row, stride) = match self.layer {
            Layer::Linear(layer) => (layer.inputs, layer.outputs, layer.row_stride),
            Layer::Conv2d(conv) => (conv.outputs, conv.row(), conv.row_stride),
        };
        (0..rows).for_each(|r| dw[r * stride..][..row].fill(0.0));
        products(&self.layer, |x, w, y| dw[w] += f64::from(self.dy[y]) * f64::from(self.x[x]));
        let mut db = vec![0.0; self.b.len()];
        self.dy.iter().enumerate().for_each(|(y, d)| db[channel(&self.layer, y)] += f64::from(*d));
        (dw, db)
    }

    pub fn args<'a>(&'a self, phase: Phase, flags: [bool; 2], out: &'a mut [f32], bias: &'a mut [f32]) -> Args<'a> {
        let operands = match phase {
            Phase::Forward => {
                let b = flags[0].then_some(self.b.as_slice());
                Operands::Forward { x: &self.x, w: &self.w, b, relu: flags[1], y: out }
            }
            Phase::BackwardInput => Operands::BackwardInput { dy: &self.dy, w: &self.w, dx: out },
            _ => Operands::BackwardWeight { dy: &self.dy, x: &self.x, dw: out, db: flags[0].then_some(bias) },
        };
        Args { layer: self.layer, pattern: Pattern::Dense, operands, threads: 1 }
    }

    pub fn length(&self, phase: Phase) -> usize {
        match phase {
            Phase::Forward => self.dy.len(),
            Phase::BackwardInput => self.x.len(),
            _ => self.w.len(),
        }
    }
}

/// A number that nobody may touch stays what it was.
pub const UNTOUCHED: f32 = 1234.5;

pub fn close(found: &[f32], expected: &[f64], what: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (i, (&a, &e)) in found.iter().zip(expected).enumerate() {
        if e.is_nan() {
            prop_assert!(a == UNTOUCHED, "{} at {}: {} outside of the prefix", what, i, a);
        } else {
            prop_assert!((f64::from(a) - e).abs() <= 2e-5 * (1.0 + e.abs()), "{} at {}: {} for {}", what, i, a, e);
        }
    }
    Ok(())
}

pub fn linear() -> impl Strategy<Value = Layer> {
    let rows = prop_oneof![0usize..9, 10usize..40, 90usize..110, 250usize..300];
    (rows, 0usize..40, 0usize..40, 0usize..9).prop_map(|(rows, inputs, outputs, more)| {
        Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs + more })
    })
}

pub fn conv2d() -> impl Strategy<Value = Layer> {
    let counts = (0usize..5, 1usize..4, 1usize..6, 1usize..22, 0usize..20);
    let shape = ([1usize..12, 1..12], [1usize..4, 1..4], [1usize..4, 1..4], [0usize..4, 0..4], [1usize..3, 1..3]);
    (counts, shape).prop_map(|((batch, groups, inputs, outputs, more), (size, kernel, stride, padding, dilation))| {
        let row_stride = inputs * kernel[0] * kernel[1] + more;
        let (inputs, outputs) = (inputs * groups, outputs * groups);
        Layer::Conv2d(Conv2d { batch, inputs, outputs, groups, size, kernel, stride, padding, dilation, row_stride })
    })
}
