//! Every kernel equals the plain sum it stands for, forward and backward.
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Args, Conv2d, Key, Layer, Linear, Operands, kernels};

const PHASES: [Phase; 3] = [Phase::Forward, Phase::BackwardInput, Phase::BackwardWeight];

fn values(length: usize, seed: u64) -> Vec<f32> {
    let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let states = std::iter::successors(Some(next(seed)), |&s| Some(next(s)));
    states.take(length).map(|s| (s >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0).collect()
}

/// Calls `term` with the positions in x, W and y of every product of the layer.
fn products(layer: &Layer, mut term: impl FnMut(usize, usize, usize)) {
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
fn channel(layer: &Layer, y: usize) -> usize {
    match *layer {
        Layer::Linear(layer) => y % layer.outputs,
        Layer::Conv2d(conv) => y / conv.output_size().iter().product::<usize>() % conv.outputs,
    }
}

/// A layer's operands, and what each pass must make of them.
struct Case {
    layer: Layer,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(layer: Layer, seed: u64) -> Self {
        let [x, w, b, y] = layer.lengths();
        let of = |length, salt| values(length, seed ^ salt);
        Self { layer, x: of(x, 1), w: of(w, 2), b: of(b, 3), dy: of(y, 4) }
    }

    fn forward(&self, biased: bool, relu: bool) -> Vec<f64> {
        let bias = |y| if biased { f64::from(self.b[channel(&self.layer, y)]) } else { 0.0 };
        let mut sums: Vec<f64> = (0..self.dy.len()).map(bias).collect();
        products(&self.layer, |x, w, y| sums[y] += f64::from(self.x[x]) * f64::from(self.w[w]));
        if relu { sums.into_iter().map(|v| v.max(0.0)).collect() } else { sums }
    }

    fn backward_input(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.x.len()];
        products(&self.layer, |x, w, y| sums[x] += f64::from(self.dy[y]) * f64::from(self.w[w]));
        sums
    }

    /// Of the weights, where one is none of the prefix's not a number, and of the bias.
    fn backward_weight(&self) -> (Vec<f64>, Vec<f64>) {
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

    fn args<'a>(&'a self, phase: Phase, flags: [bool; 2], out: &'a mut [f32], bias: &'a mut [f32]) -> Args<'a> {
        let operands = match phase {
            Phase::Forward => {
                let b = flags[0].then_some(self.b.as_slice());
                Operands::Forward { x: &self.x, w: &self.w, b, relu: flags[1], y: out }
            }
            Phase::BackwardInput => Operands::BackwardInput { dy: &self.dy, w: &self.w, dx: out },
            _ => Operands::BackwardWeight { dy: &self.dy, x: &self.x, dw: out, db: flags[0].then_some(bias) },
        };
        Args { layer: self.layer, operands, threads: 1 }
    }

    fn length(&self, phase: Phase) -> usize {
        match phase {
            Phase::Forward => self.dy.len(),
            Phase::BackwardInput => self.x.len(),
            _ => self.w.len(),
        }
    }
}

/// A number that nobody may touch stays what it was.
const UNTOUCHED: f32 = 1234.5;

fn close(found: &[f32], expected: &[f64], what: &str) -> Result<(), TestCaseError> {
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

fn check(layer: Layer, seed: u64, flags: [bool; 2], threads: usize) -> Result<(), TestCaseError> {
    let case = Case::new(layer, seed);
    for phase in PHASES {
        let key = Key { layer, phase };
        for kernel in kernels::all().iter().filter(|kernel| kernel.takes(&key)) {
            let (mut out, mut bias) = (vec![UNTOUCHED; case.length(phase)], vec![UNTOUCHED; case.b.len()]);
            kernel.run(Args { threads, ..case.args(phase, flags, &mut out, &mut bias) }).unwrap();
            let what = format!("{} {phase:?}", kernel.name());
            match phase {
                Phase::Forward => close(&out, &case.forward(flags[0], flags[1]), &what)?,
                Phase::BackwardInput => close(&out, &case.backward_input(), &what)?,
                _ => {
                    let (dw, db) = case.backward_weight();
                    close(&out, &dw, &what)?;
                    if flags[0] {
                        close(&bias, &db, &what)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn linear() -> impl Strategy<Value = Layer> {
    let rows = prop_oneof![0usize..9, 10usize..40, 90usize..110, 250usize..300];
    (rows, 0usize..40, 0usize..40, 0usize..9).prop_map(|(rows, inputs, outputs, more)| {
        Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs + more })
    })
}

fn conv2d() -> impl Strategy<Value = Layer> {
    let counts = (0usize..5, 1usize..4, 1usize..6, 1usize..22, 0usize..20);
    let shape = ([1usize..12, 1..12], [1usize..4, 1..4], [1usize..4, 1..4], [0usize..4, 0..4], [1usize..3, 1..3]);
    (counts, shape).prop_map(|((batch, groups, inputs, outputs, more), (size, kernel, stride, padding, dilation))| {
        let row_stride = inputs * kernel[0] * kernel[1] + more;
        let (inputs, outputs) = (inputs * groups, outputs * groups);
        Layer::Conv2d(Conv2d { batch, inputs, outputs, groups, size, kernel, stride, padding, dilation, row_stride })
    })
}

/// One filter for each channel, or several.
fn depthwise() -> impl Strategy<Value = Layer> {
    (conv2d(), 1usize..3).prop_map(|(layer, times)| match layer {
        Layer::Conv2d(conv) => {
            let [channels, taps] = [conv.inputs, conv.kernel[0] * conv.kernel[1]];
            let row_stride = taps + conv.row_stride % 3;
            Layer::Conv2d(Conv2d { groups: channels, outputs: channels * times, row_stride, ..conv })
        }
        layer @ Layer::Linear(_) => layer,
    })
}

proptest! {
    #[test]
    fn linear_equals_its_sum(layer in linear(), seed: u64, flags: [bool; 2], threads in 1usize..4) {
        check(layer, seed, flags, threads)?;
    }

    #[test]
    fn convolution_equals_its_sum(layer in conv2d(), seed: u64, flags: [bool; 2], threads in 1usize..4) {
        check(layer, seed, flags, threads)?;
    }

    #[test]
    fn depthwise_convolution_equals_its_sum(layer in depthwise(), seed: u64, flags: [bool; 2], threads in 1usize..4) {
        check(layer, seed, flags, threads)?;
    }

    #[test]
    fn operands_that_do_not_fit_are_refused(layer in prop_oneof![linear(), conv2d()], which in 0usize..3, seed: u64) {
        for phase in PHASES {
            let mut case = Case::new(layer, seed);
            let mut length = case.length(phase);
            let victim = match (phase, which) {
                (_, 2) => None,
                (Phase::Forward, 0) | (Phase::BackwardWeight, 1) => Some(&mut case.x),
                (Phase::Forward, _) => Some(&mut case.w),
                (Phase::BackwardInput, 1) => Some(&mut case.w),
                _ => Some(&mut case.dy),
            };
            match victim {
                Some(victim) => prop_assume!(victim.pop().is_some()),
                None => {
                    prop_assume!(length > 0);
                    length -= 1;
                }
            }
            let (mut out, mut bias) = (vec![UNTOUCHED; length], vec![UNTOUCHED; case.b.len()]);
            for kernel in kernels::all().iter().filter(|kernel| kernel.takes(&Key { layer, phase })) {
                prop_assert!(kernel.run(case.args(phase, [true, false], &mut out, &mut bias)).is_err());
                prop_assert!(out.iter().all(|&v| v == UNTOUCHED));
            }
        }
    }
}

/// Sizes at which every level of blocking has several blocks, with rests.
#[test]
fn large_layers_equal_their_sums() {
    let linear = |rows, inputs, outputs| Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs });
    let conv = |batch, inputs, outputs, size| {
        let [kernel, stride, padding, dilation] = [[3, 3], [1, 1], [1, 1], [1, 1]];
        let row_stride = inputs * 9;
        Layer::Conv2d(Conv2d { batch, inputs, outputs, groups: 1, size, kernel, stride, padding, dilation, row_stride })
    };
    let layers = [
        linear(7, 801, 77),
        linear(61, 405, 130),
        linear(403, 399, 97),
        conv(3, 90, 40, [15, 17]),
        conv(9, 50, 20, [7, 7]),
    ];
    for layer in layers {
        check(layer, 5, [true, true], 2).unwrap();
    }
}
