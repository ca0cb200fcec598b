//! Every kernel equals the plain sum it stands for.
use proptest::prelude::*;
use supple_kernels::{Args, Key, kernels};

fn values(length: usize, seed: u64) -> Vec<f32> {
    let next = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let states = std::iter::successors(Some(next(seed)), |&s| Some(next(s)));
    states.take(length).map(|s| (s >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0).collect()
}

fn reference(key: &Key, x: &[f32], w: &[f32], b: Option<&[f32]>) -> Vec<f32> {
    let bias = |o: usize| b.map_or(0.0, |b| f64::from(b[o]));
    let mut y = Vec::new();
    match *key {
        Key::Linear { rows, inputs, outputs, stride } => {
            for r in 0..rows {
                for o in 0..outputs {
                    let dot = |i| f64::from(x[r * inputs + i]) * f64::from(w[i * stride + o]);
                    y.push((bias(o) + (0..inputs).map(dot).sum::<f64>()) as f32);
                }
            }
        }
        Key::Conv2d { batch, inputs, outputs, side, taps, step, padding, stride } => {
            let reach = Key::reach(side, taps, step, padding);
            let source = |axis: usize, o: usize, k: usize| {
                (o * step[axis] + k).checked_sub(padding[axis]).filter(|&at| at < side[axis])
            };
            for n in 0..batch * outputs * reach[0] * reach[1] {
                let (column, rest) = (n % reach[1], n / reach[1]);
                let (row, rest) = (rest % reach[0], rest / reach[0]);
                let (o, sample) = (rest % outputs, rest / outputs);
                let mut sum = bias(o);
                for tap in 0..inputs * taps[0] * taps[1] {
                    let (l, k, i) = (tap % taps[1], tap / taps[1] % taps[0], tap / taps[1] / taps[0]);
                    let (Some(h), Some(v)) = (source(0, row, k), source(1, column, l)) else { continue };
                    let at = ((sample * inputs + i) * side[0] + h) * side[1] + v;
                    sum += f64::from(x[at]) * f64::from(w[o * stride + tap]);
                }
                y.push(sum as f32);
            }
        }
    }
    y
}

fn linear() -> impl Strategy<Value = Key> {
    (0usize..9, 1usize..40, 0usize..40, 0usize..9).prop_map(|(rows, inputs, outputs, more)| Key::Linear {
        rows,
        inputs,
        outputs,
        stride: outputs + more,
    })
}

fn conv2d() -> impl Strategy<Value = Key> {
    let counts = (0usize..4, 1usize..6, 0usize..9, 0usize..20);
    let shape = ([1usize..9, 1..9], [1usize..4, 1..4], [1usize..3, 1..3], [0usize..3, 0..3]);
    (counts, shape).prop_map(|((batch, inputs, outputs, more), (side, taps, step, padding))| Key::Conv2d {
        batch,
        inputs,
        outputs,
        side,
        taps,
        step,
        padding,
        stride: inputs * taps[0] * taps[1] + more,
    })
}

proptest! {
    #[test]
    fn every_kernel_equals_the_reference(
        key in prop_oneof![linear(), conv2d()], seed: u64, biased: bool, threads in 1usize..3,
    ) {
        let [x, w, b, y] = key.lengths();
        let (x, w, b) = (values(x, seed), values(w, seed ^ 1), values(b, seed ^ 2));
        let b = biased.then_some(b.as_slice());
        let expected = reference(&key, &x, &w, b);
        let takers = kernels::all().iter().filter(|kernel| kernel.takes(&key));
        for kernel in takers {
            let mut made = vec![f32::NAN; y];
            kernel.run(Args { key, x: &x, w: &w, b, y: &mut made, threads }).unwrap();
            for (a, e) in made.iter().zip(&expected) {
                prop_assert!((a - e).abs() <= 1e-5 * (1.0 + e.abs()), "{}: {a} for {e}", kernel.name());
            }
        }
    }

    #[test]
    fn operands_that_do_not_fit_are_refused(key in prop_oneof![linear(), conv2d()], operand in 0usize..3) {
        let mut lengths = key.lengths();
        let at = [0, 1, 3][operand];
        prop_assume!(lengths[at] > 0);
        lengths[at] -= 1;
        let [x, w, b, y] = lengths.map(|n| vec![0.0; n]);
        let mut untouched = vec![7.0; y.len()];
        for kernel in kernels::all().iter().filter(|kernel| kernel.takes(&key)) {
            let args = Args { key, x: &x, w: &w, b: Some(&b), y: &mut untouched, threads: 1 };
            prop_assert!(kernel.run(args).is_err());
            prop_assert!(untouched.iter().all(|&v| v == 7.0));
        }
    }
}
