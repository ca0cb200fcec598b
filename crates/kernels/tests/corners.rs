//! Where numbers or shapes are at their limits.
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Args, Conv1d, Conv2d, Error, Format, Key, Layer, Linear, Operands, Pattern, kernels};

fn run(args: Args<'_>) -> Result<(), Error> {
    let key = args.key();
    kernels::find(&key).expect("a kernel takes it").run(args)
}

fn forward(layer: Layer, x: &[f32], w: &[f32], b: Option<&[f32]>, relu: bool) -> Vec<f32> {
    let mut y = vec![0.0; layer.lengths()[3]];
    run(Args { layer, pattern: Pattern::Dense, operands: Operands::Forward { x, w, b, relu, y: &mut y }, threads: 1 })
        .unwrap();
    y
}

fn backward(layer: Layer, dy: &[f32], x: &[f32], w: &[f32]) -> [Vec<f32>; 3] {
    let [mut dx, mut dw, mut db] = [x.len(), w.len(), layer.lengths()[2]].map(|length| vec![0.0; length]);
    run(Args { layer, pattern: Pattern::Dense, operands: Operands::BackwardInput { dy, w, dx: &mut dx }, threads: 1 })
        .unwrap();
    let operands = Operands::BackwardWeight { dy, x, dw: &mut dw, db: Some(&mut db) };
    run(Args { layer, pattern: Pattern::Dense, operands, threads: 1 }).unwrap();
    [dx, dw, db]
}

/// The output in double precision, without a bias. Only products that the definition has are in its sums.
fn truth(layer: &Layer, x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; layer.lengths()[3]];
    match *layer {
        Layer::Linear(Linear { rows, inputs, outputs, row_stride }) => {
            assert_eq!(y.len(), rows * outputs);
            for (at, y) in y.iter_mut().enumerate() {
                let (r, o) = (at / outputs, at % outputs);
                *y = (0..inputs).map(|i| x[r * inputs + i] * w[i * row_stride + o]).sum();
            }
        }
        Layer::Conv2d(conv) => {
            let [height, width] = conv.output_size();
            for (at, y) in y.iter_mut().enumerate() {
                let (pixel, plane) = (at % (height * width), at / (height * width));
                *y = pixel_truth(
                    &conv,
                    [plane / conv.outputs, plane % conv.outputs, pixel / width, pixel % width],
                    x,
                    w,
                );
            }
        }
    }
    y
}

fn pixel_truth(conv: &Conv2d, [n, o, i, j]: [usize; 4], x: &[f64], w: &[f64]) -> f64 {
    let source = |a: usize, o: usize, k: usize| {
        let at = (o * conv.stride[a] + k * conv.dilation[a]).checked_sub(conv.padding[a]);
        at.filter(|&at| at < conv.size[a])
    };
    let first = n * conv.inputs + o / conv.group_outputs() * conv.group_inputs();
    let mut sum = 0.0;
    for element in 0..conv.row() {
        let (l, rest) = (element % conv.kernel[1], element / conv.kernel[1]);
        let (k, c) = (rest % conv.kernel[0], rest / conv.kernel[0]);
        if let (Some(h), Some(v)) = (source(0, i, k), source(1, j, l)) {
            sum += x[((first + c) * conv.size[0] + h) * conv.size[1] + v] * w[o * conv.row_stride + element];
        }
    }
    sum
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn close(found: f32, expected: f64) -> bool {
    let found = f64::from(found);
    match expected.is_finite() {
        true => (found - expected).abs() <= 1e-5 * (1.0 + expected.abs()),
        false => found == expected || found.is_nan() && expected.is_nan(),
    }
}

fn all_close(found: &[f32], expected: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        prop_assert!(close(found, expected), "{found} for {expected} at {i}");
    }
    Ok(())
}

fn small_linear() -> impl Strategy<Value = Layer> {
    (1usize..9, 1usize..9, 1usize..9)
        .prop_map(|(rows, inputs, outputs)| Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs }))
}

fn small_conv() -> impl Strategy<Value = Conv2d> {
    let counts = (1usize..3, 1usize..3, 1usize..3, 1usize..3, any::<bool>());
    let shape = ([3usize..7, 3..7], [1usize..4, 1..4], [1usize..3, 1..3], [0usize..3, 0..3], [1usize..3, 1..3]);
    (counts, shape).prop_map(|((batch, groups, inputs, outputs, deep), (size, kernel, stride, padding, dilation))| {
        let groups = if deep { groups + 1 } else { groups };
        let inputs = if deep { 1 } else { inputs };
        let row_stride = inputs * kernel[0] * kernel[1];
        let (inputs, outputs) = (inputs * groups, outputs * groups);
        Conv2d { batch, inputs, outputs, groups, size, kernel, stride, padding, dilation, row_stride }
    })
}

fn small() -> impl Strategy<Value = Layer> {
    prop_oneof![small_linear(), small_conv().prop_map(Layer::Conv2d)]
}

/// So many numbers of quarters, so that sums are exact.
fn quarters(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 60) as f32 - 8.0) / 4.0
    };
    (0..length).map(|_| next()).collect()
}

proptest! {
    /// The loss is the product of the output with dy: its slope along any single number is the gradient.
    #[test]
    fn gradients_are_slopes(layer in small(), seed: u64) {
        let [x, w, _, y] = layer.lengths();
        let (x, w, dy) = (quarters(x, seed), quarters(w, seed ^ 77), quarters(y, seed ^ 99));
        let [dx, dw, _] = backward(layer, &dy, &x, &w);
        let loss = |x: &[f64], w: &[f64]| -> f64 {
            truth(&layer, x, w).iter().zip(&dy).map(|(y, &d)| y * f64::from(d)).sum()
        };
        let (x, w) = (wide(&x), wide(&w));
        let moved = |values: &[f64], i: usize, by: f64| {
            let mut values = values.to_vec();
            values[i] += by;
            values
        };
        let step = 1.0 / 1024.0;
        for (i, &d) in dx.iter().enumerate() {
            let slope = (loss(&moved(&x, i, step), &w) - loss(&moved(&x, i, -step), &w)) / (2.0 * step);
            prop_assert!(close(d, slope), "dx {i}: {d} for {slope}");
        }
        for (i, &d) in dw.iter().enumerate() {
            let slope = (loss(&x, &moved(&w, i, step)) - loss(&x, &moved(&w, i, -step))) / (2.0 * step);
            prop_assert!(close(d, slope), "dw {i}: {d} for {slope}");
        }
    }

    /// A number that is not finite shows in all sums that it is a term of, and in no others.
    #[test]
    fn what_is_not_finite_is_kept(
        layer in small(), seed: u64, odd in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
        place: prop::sample::Index, which in 0usize..3,
    ) {
        let [x, w, b, y] = layer.lengths();
        prop_assume!(y > 0);
        let (mut x, mut w, mut dy) = (quarters(x, seed), quarters(w, seed ^ 77), quarters(y, seed ^ 99));
        let victim = [&mut x, &mut w, &mut dy].into_iter().nth(which).unwrap();
        let at = place.index(victim.len());
        victim[at] = odd;
        all_close(&forward(layer, &x, &w, None, false), &truth(&layer, &wide(&x), &wide(&w)))?;
        let mut expected = [vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; b]];
        for (i, slot) in expected[0].iter_mut().enumerate() {
            *slot = slope(&layer, i, &wide(&dy), &wide(&w), true);
        }
        for (i, slot) in expected[1].iter_mut().enumerate() {
            *slot = slope(&layer, i, &wide(&dy), &wide(&x), false);
        }
        let found = backward(layer, &dy, &x, &w);
        all_close(&found[0], &expected[0])?;
        all_close(&found[1], &expected[1])?;
    }

    #[test]
    fn one_dimension_is_an_image_of_one_row(
        batch in 1usize..3, channels in (1usize..5, 1usize..40), length in 1usize..40, kernel in 1usize..5,
        step in (1usize..4, 0usize..4, 1usize..3), seed: u64,
    ) {
        let ((inputs, outputs), (stride, padding, dilation)) = (channels, step);
        let row_stride = inputs * kernel;
        let conv = Conv1d { batch, inputs, outputs, groups: 1, length, kernel, stride, padding, dilation, row_stride };
        let layer = Layer::Conv2d(conv.into());
        let (x, w) = (quarters(batch * inputs * length, seed), quarters(outputs * row_stride, seed ^ 77));
        let room = (length + 2 * padding).checked_sub(dilation * (kernel - 1) + 1);
        let across = room.map_or(0, |room| room / stride + 1);
        let mut expected = vec![0.0; batch * outputs * across];
        for (at, y) in expected.iter_mut().enumerate() {
            let (j, o, n) = (at % across, at / across % outputs, at / across / outputs);
            for (c, k) in (0..inputs).flat_map(|c| (0..kernel).map(move |k| (c, k))) {
                let from = (j * stride + k * dilation).checked_sub(padding).filter(|&from| from < length);
                let x = from.map_or(0.0, |from| x[(n * inputs + c) * length + from]);
                *y += f64::from(x) * f64::from(w[o * row_stride + c * kernel + k]);
            }
        }
        all_close(&forward(layer, &x, &w, None, false), &expected)?;
    }
}

/// The gradient of one number, term by term: the other factor where the output takes it up once. A number that is not finite is a term of its own
/// sums alone.
fn slope(layer: &Layer, at: usize, dy: &[f64], other: &[f64], of_input: bool) -> f64 {
    let [x, w, _, _] = layer.lengths();
    let mut sum = 0.0;
    let mut unit = vec![0.0; if of_input { x } else { w }];
    unit[at] = 1.0;
    for (i, &partner) in other.iter().enumerate() {
        let mut single = vec![0.0; other.len()];
        single[i] = 1.0;
        let pair = if of_input { truth(layer, &unit, &single) } else { truth(layer, &single, &unit) };
        for (d, _) in dy.iter().zip(&pair).filter(|(_, hit)| **hit != 0.0) {
            sum += d * partner;
        }
    }
    sum
}

#[test]
fn relu_keeps_what_is_not_a_number() {
    let layer = Layer::Linear(Linear { rows: 1, inputs: 1, outputs: 40, row_stride: 40 });
    let mut w = vec![-1.0; 40];
    (w[3], w[39], w[7]) = (f32::NAN, f32::NAN, 2.0);
    let y = forward(layer, &[1.0], &w, None, true);
    assert!(y[3].is_nan() && y[39].is_nan());
    assert_eq!((y[7], y[8]), (2.0, 0.0));
    let conv = Conv2d {
        batch: 1,
        inputs: 1,
        outputs: 1,
        groups: 1,
        size: [1, 40],
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        row_stride: 1,
    };
    let y = forward(Layer::Conv2d(conv), &w, &[1.0], None, true);
    assert!(y[3].is_nan() && y[39].is_nan());
    assert_eq!((y[7], y[8]), (2.0, 0.0));
}

#[test]
fn buffers_of_no_size_are_fine() {
    for [rows, inputs, outputs] in [[0, 3, 4], [3, 0, 4], [3, 4, 0]] {
        let layer = Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs });
        let [x, w, b, y] = layer.lengths();
        let b = vec![2.0; b];
        assert!(forward(layer, &vec![1.0; x], &vec![1.0; w], Some(&b), false).iter().all(|&v| v == 2.0));
        let [dx, dw, _] = backward(layer, &vec![1.0; y], &vec![1.0; x], &vec![1.0; w]);
        assert!(dx.iter().chain(&dw).all(|&v| v == 0.0));
    }
}

/// Shapes whose numbers of elements overflow are errors: nothing panics, nothing is allocated.
#[test]
fn shapes_beyond_counting_are_refused() {
    let huge = usize::MAX / 2;
    let conv = |batch, size, kernel, padding, dilation| {
        let (stride, row_stride) = ([1, 1], usize::MAX);
        Conv2d { batch, inputs: 1, outputs: 1, groups: 1, size, kernel, stride, padding, dilation, row_stride }
    };
    let layers = [
        Layer::Linear(Linear { rows: huge, inputs: 3, outputs: 5, row_stride: 5 }),
        Layer::Linear(Linear { rows: 1, inputs: 1 << 17, outputs: 1 << 17, row_stride: 1 << 17 }),
        Layer::Linear(Linear { rows: 3, inputs: 3, outputs: 3, row_stride: huge }),
        Layer::Conv2d(conv(huge, [3, 3], [1, 1], [0, 0], [1, 1])),
        Layer::Conv2d(conv(1, [huge, huge], [1, 1], [0, 0], [1, 1])),
        Layer::Conv2d(conv(1, [3, 3], [huge, huge], [0, 0], [1, 1])),
        Layer::Conv2d(conv(1, [3, 3], [3, 3], [huge, huge], [1, 1])),
        Layer::Conv2d(conv(1, [3, 3], [3, 3], [0, 0], [huge, huge])),
        Layer::Conv2d(Conv2d { row_stride: 4, ..conv(1, [1, 1], [2, 2], [30_000, 30_000], [60_000, 60_000]) }),
    ];
    for layer in layers {
        let Some(kernel) = kernels::find(&Key { layer, format: Format::Dense, phase: Phase::Forward }) else {
            continue;
        };
        let mut y = [7.0];
        let operands = Operands::Forward { x: &[1.0], w: &[1.0], b: None, relu: false, y: &mut y };
        assert!(kernel.run(Args { layer, pattern: Pattern::Dense, operands, threads: 1 }).is_err(), "{layer:?}");
        assert_eq!(y, [7.0]);
    }
}
