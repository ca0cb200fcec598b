//! Every so many elements of a line.
use crate::simd::copy_few;
#[cfg(target_arch = "x86_64")]
use crate::simd::{eights, starts};
use pulp::Simd;
#[cfg(target_arch = "x86_64")]
use pulp::{bytemuck, x86::V3};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256;

/// `to[i] = from[i * step]` for all of `to`.
#[inline(always)]
pub(crate) fn every<S: Simd>(simd: S, from: &[f32], step: usize, to: &mut [f32]) {
    match step {
        1 => copy_few(&from[..to.len()], to),
        2 => {
            let done = every_second(simd, from, to);
            one_by_one(&from[2 * done..], 2, &mut to[done..]);
        }
        _ => one_by_one(from, step, to),
    }
}

/// `to[i * step] = from[i]` for all of `from`; what lies between stays.
#[inline(always)]
pub(crate) fn spread<S: Simd>(simd: S, from: &[f32], to: &mut [f32], step: usize) {
    match step {
        1 => copy_few(from, &mut to[..from.len()]),
        2 => {
            let done = spread_second(simd, from, to);
            spread_one_by_one(&from[done..], &mut to[2 * done..], 2);
        }
        _ => spread_one_by_one(from, to, step),
    }
}

/// `to[i * step] += from[i]` for all of `from`.
#[inline(always)]
pub(crate) fn add_spread<S: Simd>(simd: S, from: &[f32], to: &mut [f32], step: usize) {
    let done = if step == 2 { add_spread_second(simd, from, to) } else { 0 };
    let places = to[done * step..].iter_mut().step_by(step);
    for (sum, v) in places.zip(&from[done..]) {
        *sum += v;
    }
}

#[inline(always)]
fn one_by_one(from: &[f32], step: usize, to: &mut [f32]) {
    if let Some(last) = to.len().checked_sub(1) {
        let from = &from[..last * step + 1];
        to.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * step]);
    }
}

#[inline(always)]
fn spread_one_by_one(from: &[f32], to: &mut [f32], step: usize) {
    if let Some(last) = from.len().checked_sub(1) {
        let to = &mut to[..last * step + 1];
        from.iter().enumerate().for_each(|(i, from)| to[i * step] = *from);
    }
}

/// [`every`] second element with the exchanges of a machine that has them: how many it moved.
#[inline(always)]
fn every_second<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = eights(simd) {
        let whole = to.len().min(from.len() / 2);
        if whole >= 8 {
            for at in starts(whole) {
                let (pairs, _) = from[2 * at..][..16].as_chunks::<8>();
                to[at..][..8].copy_from_slice(&evens(v3, pairs[0], pairs[1]));
            }
            return whole;
        }
    }
    let _ = (simd, from, to);
    0
}

/// [`spread`] to every second element with the exchanges of a machine that has them: how many it moved.
#[inline(always)]
fn spread_second<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = eights(simd) {
        let whole = from.len().min(to.len() / 2);
        if whole >= 8 {
            for at in starts(whole) {
                let (from, _) = from[at..].as_chunks::<8>();
                let (pairs, _) = to[2 * at..].as_chunks_mut::<16>();
                blend(v3, from[0], &mut pairs[0]);
            }
            return whole;
        }
    }
    let _ = (simd, from, to);
    0
}

/// [`add_spread`] to every second element with the exchanges of a machine that has them: how many it added.
#[inline(always)]
fn add_spread_second<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = eights(simd) {
        let (from, _) = from.as_chunks::<8>();
        let (to, _) = to.as_chunks_mut::<16>();
        for (from, to) in from.iter().zip(&mut *to) {
            let [low, high]: [__m256; 2] = bytemuck::cast(*to);
            let [first, second] = apart(v3, bytemuck::cast(*from), v3.avx._mm256_setzero_ps());
            *to = bytemuck::cast([v3.avx._mm256_add_ps(low, first), v3.avx._mm256_add_ps(high, second)]);
        }
        return 8 * from.len().min(to.len());
    }
    let _ = (simd, from, to);
    0
}

/// The elements of a line, each followed by one of another line.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn apart(v3: V3, a: __m256, b: __m256) -> [__m256; 2] {
    let mixed = [v3.avx._mm256_unpacklo_ps(a, b), v3.avx._mm256_unpackhi_ps(a, b)];
    [
        v3.avx._mm256_permute2f128_ps::<0x20>(mixed[0], mixed[1]),
        v3.avx._mm256_permute2f128_ps::<0x31>(mixed[0], mixed[1]),
    ]
}

/// Every second element of the sixteen.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn evens(v3: V3, low: [f32; 8], high: [f32; 8]) -> [f32; 8] {
    let mixed = v3.avx._mm256_shuffle_ps::<0x88>(bytemuck::cast(low), bytemuck::cast(high));
    bytemuck::cast(v3.avx2._mm256_permute4x64_pd::<0b1101_1000>(bytemuck::cast(mixed)))
}

/// Elements 0, 2, up to 14 of `to`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn blend(v3: V3, from: [f32; 8], to: &mut [f32; 16]) {
    let [low, high]: [__m256; 2] = bytemuck::cast(*to);
    let from: __m256 = bytemuck::cast(from);
    let [first, second] = apart(v3, from, from);
    let blended =
        [v3.avx._mm256_blend_ps::<0b1010_1010>(first, low), v3.avx._mm256_blend_ps::<0b1010_1010>(second, high)];
    *to = bytemuck::cast(blended);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch;
    use proptest::prelude::*;
    use pulp::WithSimd;

    proptest! {
        #[test]
        fn elements_are_found_and_put_back(count in 0usize..50, step in 1usize..4, short in 0usize..4) {
            let line: Vec<f32> = (0..count * step).map(|i| i as f32).collect();
            let length = line.len() - if count == 0 { 0 } else { short.min(step - 1) };
            let mut found = vec![-1.0; count];
            dispatch(Move { from: &line[..length], to: &mut found, step, back: false });
            prop_assert!(found.iter().enumerate().all(|(i, &v)| v == (i * step) as f32));
            let mut back = vec![-1.0; length];
            dispatch(Move { from: &found, to: &mut back, step, back: true });
            let expected = |between: f32, times: f32| {
                (0..length).map(move |i| if i % step == 0 { i as f32 * times } else { between })
            };
            prop_assert!(back.iter().copied().eq(expected(-1.0, 1.0)));
            dispatch(Add { from: &found, to: &mut back, step });
            prop_assert!(back.iter().copied().eq(expected(-1.0, 2.0)));
        }
    }

    struct Add<'a> {
        from: &'a [f32],
        to: &'a mut [f32],
        step: usize,
    }

    impl WithSimd for Add<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            add_spread(simd, self.from, self.to, self.step);
        }
    }

    struct Move<'a> {
        from: &'a [f32],
        to: &'a mut [f32],
        step: usize,
        back: bool,
    }

    impl WithSimd for Move<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            if self.back {
                spread(simd, self.from, self.to, self.step);
            } else {
                every(simd, self.from, self.step, self.to);
            }
        }
    }
}
