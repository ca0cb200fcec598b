//! The two limits of a processor that no kernel passes: multiply-adds and memory.
use crate::pool::for_each;
use crate::simd::{dispatch, multiply_add};
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use std::time::Instant;

/// What some threads of this machine do at best, as measured.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Floating-point operations a second, two for a multiply-add.
    pub flops: f64,
    /// Bytes a second read from memory and written to it, together, by a copy that no cache holds.
    pub bytes: f64,
}

/// Elements that one thread copies: more than caches hold.
const COPIED: usize = 1 << 24;
/// Turns of the loop of multiply-adds.
const TURNS: usize = 1 << 20;
/// Sums that a thread keeps in registers: enough to hide the latency.
const SUMS: usize = 12;

impl Limits {
    /// Measures both on `threads` threads: the best of several short runs, in about half a second.
    pub fn measure(threads: usize) -> Self {
        let threads = threads.max(1);
        let sums: f64 = (0..8).map(|_| rate(threads, || dispatch(MultiplyAdds))).fold(0.0, f64::max);
        let memory = std::sync::Mutex::new(Vec::new());
        for_each(threads, 0..threads, |_| {
            let pair = (vec![1.0f32; COPIED], vec![0.0f32; COPIED]);
            memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(pair);
        });
        let mut pairs = memory.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let copy = |(from, to): &mut (Vec<f32>, Vec<f32>)| to.copy_from_slice(black_box(from));
        let mut best = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            for_each(threads, pairs.iter_mut(), copy);
            best = best.min(start.elapsed().as_secs_f64());
        }
        let bytes = (pairs.len() * COPIED * 2 * size_of::<f32>()) as f64 / best;
        Self { flops: sums, bytes }
    }

    /// Seconds that so many operations and bytes take at least.
    pub fn seconds(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.flops).max(bytes / self.bytes)
    }
}

/// Operations a second when every thread does `work`, which returns how many it did.
fn rate(threads: usize, work: impl Fn() -> f64 + Sync) -> f64 {
    let done = std::sync::Mutex::new(0.0);
    let start = Instant::now();
    for_each(threads, 0..threads, |_| {
        let count = work();
        *done.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += count;
    });
    let seconds = start.elapsed().as_secs_f64();
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) / seconds
}

/// A loop of nothing but multiply-adds; says how many operations it was.
struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        let (a, b) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = multiply_add(simd, *sum, a, b);
            }
        }
        black_box(sums);
        (2 * SUMS * TURNS * S::F32_LANES) as f64
    }
}
