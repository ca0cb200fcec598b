//! Every kernel equals the plain sum it stands for, forward and backward.
mod common;

use common::{Case, PHASES, UNTOUCHED, close, conv2d, linear};
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Args, Conv2d, Format, Key, Layer, Linear, kernels};

fn check(layer: Layer, seed: u64, flags: [bool; 2], threads: usize) -> Result<(), TestCaseError> {
    let case = Case::new(layer, seed);
    for phase in PHASES {
        let key = Key { layer, format: Format::Dense, phase };
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
            for kernel in kernels::all().iter().filter(|kernel| kernel.takes(&Key { layer, format: Format::Dense, phase })) {
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
