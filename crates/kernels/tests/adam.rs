//! Adam's step against its formula in 64 bits.
use proptest::prelude::*;
use supple_kernels::adam::{Adam, Moving, Stretch};

const ADAM: Adam = Adam { rate: 0.01, mean: [0.9, 0.1], square: [0.999, 0.001], kept: 0.9999, epsilon: 1e-8 };

/// The formula: weight, mean, square, powers.
fn formula([w, m, s, p, q]: [f64; 5], g: f64) -> [f64; 5] {
    let (m, s) = (0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g);
    let (p, q) = (0.9 * p, 0.999 * q);
    [0.9999 * w - 0.01 * (m / (1.0 - p)) / ((s / (1.0 - q)).sqrt() + 1e-8), m, s, p, q]
}

fn stretches() -> impl Strategy<Value = (usize, Vec<Stretch>)> {
    let lengths = prop::collection::vec((0..5usize, prop_oneof![9 => 0..40usize, 1 => 40_000..70_000usize]), 0..6);
    (lengths, 0..5usize).prop_map(|(lengths, after)| {
        let (mut whole, mut kept) = (0, 0);
        let stretch = |(gap, length): (usize, usize)| {
            let found = Stretch { whole: whole + gap, kept, length };
            (whole, kept) = (whole + gap + length, kept + length);
            found
        };
        let stretches = lengths.into_iter().map(stretch).collect();
        (whole + after, stretches)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_step_is_the_formula_where_something_is_and_nothing_elsewhere(
        (length, stretches) in stretches(),
        seed in any::<u32>(),
        masked in any::<bool>(),
        threads in 1..3usize,
    ) {
        let noise = |i: usize, which: usize| {
            let mixed = (i as u32 * 5 + which as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519);
            (mixed >> 8) as f32 / 16_777_216.0
        };
        let before: [Vec<f32>; 5] = std::array::from_fn(|which| (0..length).map(|i| 0.9 * noise(i, which)).collect());
        let kept: usize = stretches.iter().map(|s| s.length).sum();
        let gradient: Vec<f32> = (0..kept).map(|i| noise(i, 7) - 0.5).collect();
        let there: Vec<bool> = (0..kept).map(|i| noise(i, 9) < 0.5).collect();
        let mut after = before.clone();
        let [weight, mean, square, first, second] = after.each_mut().map(Vec::as_mut_slice);
        let moving = Moving { weight, mean, square, powers: [first, second] };
        ADAM.step(moving, &gradient, masked.then_some(&there), &stretches, threads).unwrap();
        let mut expected = before.clone();
        for s in &stretches {
            for (at, k) in (s.whole..).zip(s.kept..s.kept + s.length).filter(|(_, k)| !masked || there[*k]) {
                let new = formula(std::array::from_fn(|which| f64::from(before[which][at])), f64::from(gradient[k]));
                expected.iter_mut().zip(new).for_each(|(tensor, new)| tensor[at] = new as f32);
            }
        }
        for (which, (found, expected)) in after.iter().zip(&expected).enumerate() {
            for (i, (a, b)) in found.iter().zip(expected).enumerate() {
                prop_assert!((a - b).abs() <= 2e-5 * b.abs().max(0.05), "tensor {which} at {i}: {a} for {b}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut memory: [Vec<f32>; 5] = std::array::from_fn(|_| vec![0.0; 8]);
    let mut step = |gradient: &[f32], there: Option<&[bool]>, stretches: &[Stretch]| {
        let [weight, mean, square, first, second] = memory.each_mut().map(Vec::as_mut_slice);
        let moving = Moving { weight, mean, square, powers: [first, second] };
        ADAM.step(moving, gradient, there, stretches, 1).map_err(|error| error.to_string())
    };
    let at = |whole, kept, length| Stretch { whole, kept, length };
    assert!(step(&[0.0; 4], None, &[at(0, 0, 2), at(4, 2, 2)]).is_ok());
    assert!(step(&[0.0; 4], None, &[at(6, 0, 3)]).unwrap_err().contains("does not fit"));
    assert!(step(&[0.0; 4], None, &[at(2, 0, 2), at(3, 2, 2)]).is_err());
    assert!(step(&[0.0; 4], None, &[at(0, 3, 2)]).is_err());
    assert!(step(&[0.0; 4], None, &[at(usize::MAX, 0, 2)]).is_err());
    assert!(step(&[0.0; 4], Some(&[true; 3]), &[]).is_err());
}
