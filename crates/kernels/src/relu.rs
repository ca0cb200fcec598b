//! The gradient of ReLU.
use crate::error::Error;
use crate::pool::for_each;
use crate::simd::{dispatch, load, store};
use pulp::{Simd, WithSimd};

/// Elements below which one thread is fastest.
const FEW: usize = 1 << 17;

/// Sets to zero what comes back, `dy`, to outputs `y` of ReLU that are not above zero; what is not a number lets it pass.
///
/// # Errors
/// When there are not as many elements of one as of the other.
pub fn relu_backward(y: &[f32], dy: &mut [f32], threads: usize) -> Result<(), Error> {
    if y.len() != dy.len() {
        return Err(Error::new("relu", format!("{} outputs and {} gradients", y.len(), dy.len())));
    }
    let threads = if y.len() < FEW { 1 } else { threads.max(1) };
    let part = y.len().div_ceil(threads).max(1);
    for_each(threads, y.chunks(part).zip(dy.chunks_mut(part)), |(y, dy)| dispatch(Backward { y, dy }));
    Ok(())
}

struct Backward<'a> {
    y: &'a [f32],
    dy: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { y, dy } = self;
        let zero = simd.splat_f32s(0.0);
        let whole = y.len() - y.len() % S::F32_LANES;
        for at in (0..whole).step_by(S::F32_LANES) {
            let cut = simd.less_than_or_equal_f32s(load::<S>(y, at), zero);
            store::<S>(simd.select_f32s(cut, zero, load::<S>(dy, at)), &mut dy[at..][..S::F32_LANES]);
        }
        for (y, dy) in y[whole..].iter().zip(&mut dy[whole..]) {
            *dy = if *y <= 0.0 { 0.0 } else { *dy };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_cut_off_gets_nothing(y in prop::collection::vec(prop_oneof![-2.0f32..2.0, Just(0.0), Just(f32::NAN)], 0..70)) {
            let dy: Vec<f32> = (1..=y.len()).map(|i| i as f32).collect();
            let mut found = dy.clone();
            relu_backward(&y, &mut found, 2).unwrap();
            let expected = y.iter().zip(&dy).map(|(y, dy)| if *y <= 0.0 { 0.0 } else { *dy });
            prop_assert!(found.into_iter().eq(expected));
        }
    }

    #[test]
    fn as_many_outputs_as_gradients() {
        assert!(relu_backward(&[1.0], &mut [1.0, 2.0], 1).is_err());
    }
}
