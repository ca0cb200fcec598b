//! The largest elements of windows against the plain definition.
use proptest::prelude::*;
use supple_kernels::MaxPool;

/// The position of the largest element of a window, if it holds any.
fn largest(pool: &MaxPool, plane: &[f32], window: [usize; 2]) -> Option<usize> {
    let place = |axis: usize, tap: usize| {
        let at = window[axis] * pool.stride[axis] + tap * pool.dilation[axis];
        at.checked_sub(pool.padding[axis]).filter(|&at| at < pool.size[axis])
    };
    let mut best: Option<usize> = None;
    for (k, l) in (0..pool.kernel[0]).flat_map(|k| (0..pool.kernel[1]).map(move |l| (k, l))) {
        let (Some(row), Some(column)) = (place(0, k), place(1, l)) else { continue };
        let at = row * pool.size[1] + column;
        if best.is_none_or(|best| plane[at] > plane[best] || plane[at].is_nan()) {
            best = Some(at);
        }
    }
    best
}

/// Output and gradient.
fn plain(pool: &MaxPool, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let ([height, width], [rows, columns]) = (pool.size, pool.windows);
    let (mut y, mut dx) = (Vec::new(), vec![0.0; x.len()]);
    for plane in 0..pool.planes {
        let values = &x[plane * height * width..][..height * width];
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let best = largest(pool, values, [i, j]);
            if let Some(at) = best {
                dx[plane * height * width + at] += dy[y.len()];
            }
            y.push(best.map_or(f32::NEG_INFINITY, |at| values[at]));
        }
    }
    (y, dx)
}

fn pool() -> impl Strategy<Value = MaxPool> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    (0..5usize, pair(1..24), pair(0..14), pair(1..5), pair(1..5), pair(0..4), pair(1..4)).prop_map(
        |(planes, size, windows, kernel, stride, padding, dilation)| MaxPool {
            planes,
            size,
            windows,
            kernel,
            stride,
            padding,
            dilation,
        },
    )
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| if v.is_nan() { 0x7fc0_0000 } else { v.to_bits() }).collect()
}

proptest! {
    #[test]
    fn output_and_gradient_are_those_of_the_definition(
        (pool, x, dy) in (pool(), 0..2u32).prop_flat_map(|(pool, odd)| {
            let odd = prop_oneof![odd => Just(f32::NAN), odd => Just(f32::NEG_INFINITY), 1 => Just(f32::MIN)];
            let value = prop_oneof![60 => (-4i8..4).prop_map(f32::from), 2 => odd];
            let x = prop::collection::vec(value, pool.planes * pool.size[0] * pool.size[1]);
            let dy = prop::collection::vec((1i8..9).prop_map(f32::from), pool.planes * pool.windows[0] * pool.windows[1]);
            (Just(pool), x, dy)
        }),
        threads in 1..3usize,
    ) {
        let (y, dx) = plain(&pool, &x, &dy);
        let (mut found, mut gradient) = (vec![9.0; y.len()], vec![9.0; x.len()]);
        pool.forward(&x, &mut found, threads).unwrap();
        pool.backward(&x, &dy, &mut gradient, threads).unwrap();
        prop_assert_eq!(bits(&found), bits(&y));
        prop_assert_eq!(gradient, dx);
    }
}

#[test]
fn long_rows_are_taken_one_by_one() {
    let size = [7, 5000];
    let x: Vec<f32> = (0..2 * 7 * 5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 28) as f32).collect();
    for (kernel, stride, padding, windows) in [([2, 2], [2, 2], [0, 0], [3, 2500]), ([3, 3], [1, 2], [1, 1], [7, 2500])]
    {
        let pool = MaxPool { planes: 2, size, windows, kernel, stride, padding, dilation: [1, 1] };
        let dy: Vec<f32> = (0..2 * windows[0] * windows[1]).map(|i| (i % 7) as f32).collect();
        let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        pool.forward(&x, &mut y, 1).unwrap();
        pool.backward(&x, &dy, &mut dx, 1).unwrap();
        assert_eq!((y, dx), plain(&pool, &x, &dy));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let pool = MaxPool {
        planes: 1,
        size: [4, 4],
        windows: [2, 2],
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        dilation: [1, 1],
    };
    let (mut y, x) = ([0.0; 4], [0.0; 16]);
    assert!(pool.forward(&x[..15], &mut y, 1).unwrap_err().to_string().contains("x holds 15 elements"));
    assert!(pool.forward(&x, &mut y[..3], 1).is_err());
    assert!(MaxPool { stride: [0, 1], ..pool }.forward(&x, &mut y, 1).is_err());
    assert!(MaxPool { planes: usize::MAX, ..pool }.forward(&x, &mut y, 1).is_err());
    assert!(MaxPool { windows: [usize::MAX, 2], ..pool }.forward(&x, &mut y, 1).is_err());
}
