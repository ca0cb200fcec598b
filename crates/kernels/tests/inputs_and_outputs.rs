//! Products on some inputs, and gradients of some outputs, equal the plain sums with all others set to zero.
mod common;

use common::{Case, PHASES, UNTOUCHED, close, conv2d, linear};
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Active, Args, Conv2d, Layer, Linear, Pattern, kernels, top};

fn sizes(layer: Layer) -> Linear {
    match layer {
        Layer::Linear(linear) => linear,
        Layer::Conv2d(_) => unreachable!("only linear layers are made here"),
    }
}

proptest! {
    #[test]
    fn active_inputs_equal_their_masked_sums(layer in linear(), seed: u64, count in 0usize..40, flags: [bool; 2], threads in 1usize..4) {
        let Linear { inputs, .. } = sizes(layer);
        let mut case = Case::new(layer, seed);
        case.x = Active::largest(&case.x, &case.x, inputs, count);
        let active = Active::find(&case.x, inputs);
        prop_assert!(active.iter().is_sorted());
        for phase in PHASES {
            let (mut out, mut bias) = (vec![UNTOUCHED; case.length(phase)], vec![UNTOUCHED; case.b.len()]);
            let pattern = Pattern::Active(Active::new(&active));
            let args = Args { threads, pattern, ..case.args(phase, flags, &mut out, &mut bias) };
            kernels::find(&args.key()).unwrap().run(args).unwrap();
            match phase {
                Phase::Forward => close(&out, &case.forward(flags[0], flags[1]), "forward")?,
                Phase::BackwardInput => {
                    let mut dx = case.backward_input();
                    let left_out = |at: usize| !active.contains(&((at % inputs) as u32));
                    dx.iter_mut().enumerate().filter(|(at, _)| left_out(*at)).for_each(|(_, v)| *v = 0.0);
                    close(&out, &dx, "gradient of the input")?;
                }
                _ => close(&out, &case.backward_weight().0, "gradient of the weights")?,
            }
        }
    }

    #[test]
    fn the_largest_inputs_of_each_row_stay(rows in prop::collection::vec(prop::array::uniform7(-3i8..=3), 0..5), count in 0usize..9) {
        let x: Vec<f32> = rows.iter().flatten().map(|&v| f32::from(v)).collect();
        let mut expected = x.clone();
        for row in expected.chunks_mut(7) {
            let mut order: Vec<usize> = (0..7).collect();
            order.sort_by(|&a, &b| row[b].abs().total_cmp(&row[a].abs()).then(a.cmp(&b)));
            order.into_iter().skip(count).for_each(|at| row[at] = 0.0);
        }
        prop_assert_eq!(Active::largest(&x, &x, 7, count), expected);
    }

    #[test]
    fn largest_gradients_equal_their_masked_sums(layer in prop_oneof![linear(), conv2d()], seed: u64, count in 0usize..30, threads in 1usize..3) {
        let layer = of_one_group(layer);
        let mut case = Case::new(layer, seed);
        let [outputs, pixels] = top::planes(&layer);
        let kept = top::outputs(&case.dy, [outputs, pixels], count);
        prop_assert_eq!(kept.len(), count.min(outputs));
        let output = |at: usize| at / pixels.max(1) % outputs;
        let dy = case.dy.clone();
        let mut sums = vec![0.0; outputs];
        dy.iter().enumerate().for_each(|(at, v)| sums[output(at)] += f64::from(v.abs()));
        let smallest = kept.iter().map(|&o| sums[o]).fold(f64::INFINITY, f64::min);
        prop_assert!((0..outputs).filter(|o| !kept.contains(o)).all(|o| sums[o] <= smallest + 1e-3));
        case.dy.iter_mut().enumerate().filter(|(at, _)| !kept.contains(&output(*at))).for_each(|(_, v)| *v = 0.0);
        let (mut dx, mut dw) = (vec![UNTOUCHED; case.x.len()], vec![UNTOUCHED; case.w.len()]);
        let mut db = vec![UNTOUCHED; case.b.len()];
        let backward = top::Backward { layer, kept: &kept, dy: &dy, threads };
        backward.input(&case.w, &mut dx).unwrap();
        backward.weights(&case.x, &mut dw, &mut db).unwrap();
        close(&dx, &case.backward_input(), "gradient of the input")?;
        let (expected, biases) = case.backward_weight();
        close(&dw, &expected, "gradient of the weights")?;
        close(&db, &biases, "gradient of the bias")?;
    }
}

/// A convolution's first group alone.
fn of_one_group(layer: Layer) -> Layer {
    match layer {
        Layer::Conv2d(conv) => {
            let (inputs, outputs) = (conv.inputs / conv.groups, conv.outputs / conv.groups);
            Layer::Conv2d(Conv2d { groups: 1, inputs, outputs, ..conv })
        }
        linear => linear,
    }
}

#[test]
fn inputs_and_outputs_that_do_not_exist_are_refused() {
    let linear = Linear { rows: 2, inputs: 3, outputs: 4, row_stride: 4 };
    let case = Case::new(Layer::Linear(linear), 1);
    let (mut y, mut none) = (vec![UNTOUCHED; 8], vec![]);
    let pattern = Pattern::Active(Active::new(&[3]));
    let args = Args { pattern, ..case.args(Phase::Forward, [false; 2], &mut y, &mut none) };
    assert!(kernels::find(&args.key()).unwrap().run(args).is_err());
    assert!(y.iter().all(|&v| v == UNTOUCHED));
    let backward = top::Backward { layer: Layer::Linear(linear), kept: &[4], dy: &case.dy, threads: 1 };
    let short = top::Backward { kept: &[3], dy: &case.dy[1..], ..backward };
    for backward in [backward, short] {
        assert!(backward.input(&case.w, &mut [0.0; 6]).is_err());
        assert!(backward.weights(&case.x, &mut [0.0; 12], &mut [0.0; 4]).is_err());
    }
    let fits = top::Backward { kept: &[3], ..backward };
    assert!(fits.input(&case.w, &mut [0.0; 5]).is_err());
    assert!(fits.weights(&case.x, &mut [0.0; 12], &mut [0.0; 3]).is_err());
}

/// What is not a number is the last to be left out.
#[test]
fn no_number_is_active() {
    let x = [0.0, f32::NAN, 0.5, -2.0];
    let largest = Active::largest(&x, &x, 4, 2);
    assert!(largest[1].is_nan() && largest[3] == -2.0 && largest[2] == 0.0);
    assert_eq!(Active::find(&largest, 4), [1, 3]);
}
