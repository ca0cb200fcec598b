//! Sparse kernels equal the plain sum with the weights that are left out set to zero.
mod common;

use common::{Case, PHASES, UNTOUCHED, close, conv2d, linear};
use proptest::prelude::*;
use supple_graph::Phase;
use supple_kernels::{Args, Blocks, Conv2d, Cut, Key, Layer, Linear, Operands, Order, Pack, Pattern, kernels};

/// A layer's case with masked weights, and its pack.
struct Sparse {
    case: Case,
    pack: Pack,
    kept: usize,
}

impl Sparse {
    fn new(layer: Layer, seed: u64, height: usize, order: Order, share: f64) -> Self {
        let mut case = Case::new(layer, seed);
        let pack = Pack::new(&layer, &case.w, &case.w, height, order).unwrap();
        let kept = (share * pack.stored() as f64).round() as usize;
        pack.unpack(&layer, pack.values(), kept, &mut case.w).unwrap();
        Self { case, pack, kept }
    }

    fn check(&self, flags: [bool; 2], threads: usize) -> Result<(), TestCaseError> {
        let case = &self.case;
        let pattern = Pattern::Blocks(self.pack.blocks(self.kept).unwrap());
        for phase in PHASES {
            let key = Key { layer: case.layer, format: pattern.format(), phase };
            let takers: Vec<_> = kernels::all().iter().filter(|kernel| kernel.takes(&key)).collect();
            prop_assert!(!takers.is_empty(), "nobody takes {:?}", key);
            for kernel in takers {
                let what = format!("{} {phase:?}", kernel.name());
                let length = match phase {
                    Phase::BackwardWeight => self.pack.values().len(),
                    _ => case.length(phase),
                };
                let (mut out, mut bias) = (vec![UNTOUCHED; length], vec![UNTOUCHED; case.b.len()]);
                let mut args = Args { threads, pattern, ..case.args(phase, flags, &mut out, &mut bias) };
                match &mut args.operands {
                    Operands::Forward { w, .. } | Operands::BackwardInput { w, .. } => *w = self.pack.values(),
                    Operands::BackwardWeight { .. } => {}
                }
                kernel.run(args).unwrap();
                match phase {
                    Phase::Forward => close(&out, &case.forward(flags[0], flags[1]), &what)?,
                    Phase::BackwardInput => close(&out, &case.backward_input(), &what)?,
                    _ => self.check_gradient(&out, &bias, flags[0], &what)?,
                }
            }
        }
        Ok(())
    }

    /// The gradient at the blocks kept is the dense one; no other element was touched.
    fn check_gradient(&self, out: &[f32], bias: &[f32], biased: bool, what: &str) -> Result<(), TestCaseError> {
        let (dw, db) = self.case.backward_weight();
        let row = self.pack.stored() * self.pack.height();
        for values in out.chunks_exact(row.max(1)) {
            prop_assert!(values[self.kept * self.pack.height()..].iter().all(|&v| v == UNTOUCHED), "{}", what);
        }
        let mut dense = vec![0.0; dw.len()];
        self.pack.unpack(&self.case.layer, out, self.kept, &mut dense).unwrap();
        let ones = vec![1.0; self.pack.values().len()];
        let mut mask = vec![0.0; dw.len()];
        self.pack.unpack(&self.case.layer, &ones, self.kept, &mut mask).unwrap();
        let expected: Vec<f64> =
            dw.iter().zip(&mask).map(|(&dw, &m)| if m == 0.0 { 0.0 } else { dw * f64::from(m) }).collect();
        close(&dense, &expected, what)?;
        if biased {
            close(bias, &db, what)?;
        }
        Ok(())
    }
}

fn height() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1usize, 8, 16])
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![2 => Just(Order::Importance), 1 => (1usize..5).prop_map(Order::OfEach)]
}

proptest! {
    #[test]
    fn sparse_layers_equal_their_masked_sums(
        layer in prop_oneof![linear(), conv2d()],
        seed: u64,
        (height, order) in (height(), order()),
        share in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
        flags: [bool; 2],
        threads in 1usize..4,
    ) {
        Sparse::new(layer, seed, height, order, share).check(flags, threads)?;
    }

    /// Samples that fill no vector, one, and more, side by side.
    #[test]
    fn any_number_of_samples_equals_its_masked_sums(
        layer in conv2d(),
        samples in prop::sample::select(vec![1usize, 3, 8, 17, 35]),
        seed: u64,
        height in height(),
        share in 0.0..1.0,
        flags: [bool; 2],
        threads in 1usize..3,
    ) {
        let Layer::Conv2d(conv) = layer else { return Ok(()) };
        let layer = Layer::Conv2d(Conv2d { batch: samples, ..conv });
        Sparse::new(layer, seed, height, Order::Importance, share).check(flags, threads)?;
    }

    /// Images as wide as their output or twice as wide, of more pixels than a tile has, with zeros around them or none.
    #[test]
    fn convolutions_of_images_where_they_lie_equal_their_masked_sums(
        (channels, groups) in (prop::array::uniform2(1usize..4), 1usize..3),
        size in prop_oneof![(1usize..15, 1usize..15), (1usize..5, 1usize..80)],
        stride in prop_oneof![Just([1, 1]), (1usize..4).prop_map(|down| [down, 2])],
        (half, dilation, above) in (0usize..3, 1usize..3, 0usize..3),
        batch in 1usize..4,
        seed: u64,
        height in height(),
        share in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
        flags: [bool; 2],
        threads in 1usize..4,
    ) {
        let kernel = [1 + above, 1 + if stride[1] == 1 { 2 * half } else { half }];
        let layer = Layer::Conv2d(Conv2d {
            batch,
            inputs: groups * channels[0],
            outputs: groups * channels[1] * height,
            groups,
            size: [size.0 + dilation * above, size.1],
            kernel,
            stride,
            padding: [above, half * dilation],
            dilation: [dilation, dilation],
            row_stride: channels[0] * kernel[0] * kernel[1],
        });
        let sparse = Sparse::new(layer, seed, height, Order::Importance, share);
        let format = Pattern::Blocks(sparse.pack.blocks(sparse.kept).unwrap()).format();
        for phase in PHASES {
            let key = Key { layer, format, phase };
            prop_assert!(kernels::all().iter().any(|kernel| kernel.name() == "block_images" && kernel.takes(&key)));
        }
        sparse.check(flags, threads)?;
    }

    /// The blocks of a smaller density are blocks of every larger one, and the most important are kept.
    #[test]
    fn densities_nest(layer in prop_oneof![linear(), conv2d()], seed: u64, height in height()) {
        let case = Case::new(layer, seed);
        let pack = Pack::new(&layer, &case.w, &case.w, height, Order::Importance).unwrap();
        let mut last: Option<Vec<f32>> = None;
        for kept in (0..=pack.stored()).rev() {
            let mut dense = vec![0.0; case.w.len()];
            pack.unpack(&layer, pack.values(), kept, &mut dense).unwrap();
            if let Some(last) = last {
                prop_assert!(dense.iter().zip(&last).all(|(now, before)| *now == 0.0 || now == before));
            }
            last = Some(dense);
        }
    }

    /// The best of a row are its first in order of importance, and they are gathered from other weights too.
    #[test]
    fn the_best_are_a_prefix(
        layer in prop_oneof![linear(), conv2d()], height in height(), order in order(), share in 0.0..=1.0f64,
    ) {
        let case = Case::new(layer, 5);
        let all = Pack::new(&layer, &case.w, &case.w, height, order).unwrap();
        let kept = (share * all.stored() as f64).round() as usize;
        let best = Pack::best(&layer, &case.w, Cut { height, order, kept }).unwrap();
        prop_assert_eq!(best.stored(), kept);
        let [mut prefix, mut alone, mut twice] = [(); 3].map(|()| vec![0.0; case.w.len()]);
        all.unpack(&layer, all.values(), kept, &mut prefix).unwrap();
        best.unpack(&layer, best.values(), kept, &mut alone).unwrap();
        prop_assert_eq!(&prefix, &alone);
        let doubled: Vec<f32> = case.w.iter().map(|w| 2.0 * w).collect();
        best.unpack(&layer, &best.gather(&layer, &doubled).unwrap(), kept, &mut twice).unwrap();
        prop_assert!(alone.iter().zip(&twice).all(|(w, twice)| 2.0 * w == *twice));
        let more = Cut { height, order, kept: all.stored() + 1 };
        prop_assert!(Pack::best(&layer, &case.w, more).is_err());
    }

    /// `n` of `m`: no more than `n` of every `m` consecutive weights are there, and they are the largest.
    #[test]
    fn n_of_m_keeps_the_largest_of_each(outputs in 1usize..9, groups in 1usize..9, m in 1usize..6, seed: u64) {
        let inputs = groups * m;
        let layer = Layer::Linear(Linear { rows: 1, inputs, outputs, row_stride: outputs });
        let case = Case::new(layer, seed);
        let pack = Pack::new(&layer, &case.w, &case.w, 1, Order::OfEach(m)).unwrap();
        for n in 0..=m {
            let mut dense = vec![0.0; case.w.len()];
            pack.unpack(&layer, pack.values(), n * groups, &mut dense).unwrap();
            for o in 0..outputs {
                for group in 0..groups {
                    let places = (group * m..(group + 1) * m).map(|i| i * outputs + o);
                    let (kept, left): (Vec<usize>, Vec<usize>) = places.partition(|&at| dense[at] != 0.0);
                    prop_assert!(kept.len() == n || case.w.contains(&0.0));
                    let least = kept.iter().map(|&at| case.w[at].abs()).fold(f32::INFINITY, f32::min);
                    prop_assert!(left.iter().all(|&at| case.w[at].abs() <= least));
                }
            }
        }
    }

    /// What does not fit is refused before memory is touched.
    #[test]
    fn patterns_that_do_not_fit_are_refused(layer in prop_oneof![linear(), conv2d()], height in height(), which in 0usize..3) {
        let case = Case::new(layer, 3);
        let pack = Pack::new(&layer, &case.w, &case.w, height, Order::Importance).unwrap();
        prop_assume!(!pack.values().is_empty());
        let mut positions = pack.positions().to_vec();
        let mut values = pack.values().to_vec();
        match which {
            0 => drop(values.pop()),
            1 => positions[0] = pack.stored() as u16,
            _ => drop(positions.drain(..pack.stored())),
        }
        let blocks = Blocks::new(&positions, height, pack.stored(), pack.stored()).unwrap();
        let mut y = vec![UNTOUCHED; case.dy.len()];
        let operands = Operands::Forward { x: &case.x, w: &values, b: None, relu: false, y: &mut y };
        let args = Args { layer, pattern: Pattern::Blocks(blocks), operands, threads: 1 };
        let kernel = kernels::find(&args.key()).unwrap();
        prop_assert!(kernel.run(args).is_err());
        prop_assert!(y.iter().all(|&v| v == UNTOUCHED));
    }
}

#[test]
fn more_kept_than_stored_and_unknown_heights_are_refused() {
    let layer = Layer::Linear(Linear { rows: 1, inputs: 3, outputs: 8, row_stride: 8 });
    let w = vec![1.0; 24];
    let pack = Pack::new(&layer, &w, &w, 8, Order::Importance).unwrap();
    assert!(pack.blocks(4).is_err());
    assert!(Pack::new(&layer, &w, &w, 3, Order::Importance).is_err());
    assert!(Pack::new(&layer, &w[1..], &w, 8, Order::Importance).is_err());
    assert!(Blocks::new(pack.positions(), 8, 2, 1).is_err());
}

/// Sizes at which every level of blocking has several blocks, with rests.
#[test]
fn large_sparse_layers_equal_their_masked_sums() {
    let linear = |rows, inputs, outputs| Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs });
    let conv = |batch, inputs, outputs, size, stride| {
        let [kernel, padding, dilation] = [[3, 3], [1, 1], [1, 1]];
        let row_stride = inputs * 9;
        let stride = [stride; 2];
        Layer::Conv2d(Conv2d { batch, inputs, outputs, groups: 1, size, kernel, stride, padding, dilation, row_stride })
    };
    let layers = [
        linear(403, 399, 97),
        linear(61, 405, 130),
        conv(3, 60, 40, [15, 17], 1),
        conv(9, 50, 20, [28, 28], 2),
        conv(8, 60, 40, [30, 20], 1),
        conv(2, 3, 256, [60, 60], 1),
    ];
    for (layer, height) in layers.into_iter().zip([8, 1, 8, 16, 8, 8]) {
        Sparse::new(layer, 5, height, Order::Importance, 0.3).check([true, true], 2).unwrap();
    }
}

/// One pixel that the stride leaves to the padding: its only output sees a zero.
#[test]
fn an_image_of_one_pixel_may_lie_in_the_padding() {
    let (size, kernel, stride) = ([1, 1], [1, 1], [1, 3]);
    let (padding, dilation) = ([0, 1], [1, 1]);
    let [batch, inputs, outputs, groups, row_stride] = [1; 5];
    let layer =
        Layer::Conv2d(Conv2d { batch, inputs, outputs, groups, size, kernel, stride, padding, dilation, row_stride });
    Sparse::new(layer, 5, 1, Order::Importance, 1.0).check([false; 2], 1).unwrap();
}
