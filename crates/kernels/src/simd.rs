//! The instructions that the machine has, and the few vector operations that are not in `pulp`.
use pulp::bytemuck;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use pulp::x86::V3;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V4;
use pulp::{Arch, Scalar128b, Scalar256b, Scalar512b, Simd, WithSimd};
#[cfg(target_arch = "x86_64")]
use std::any::Any;
use std::any::TypeId;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m512;
use std::sync::LazyLock;

/// The best instructions of this machine, or those that `SUPPLE_KERNELS` asks for: `avx2`, or `portable` for a machine that has none of those we
/// know.
static ARCH: LazyLock<Option<Arch>> = LazyLock::new(|| {
    let wanted = std::env::var("SUPPLE_KERNELS").unwrap_or_default();
    match (&*wanted, Arch::new()) {
        ("portable", _) | (_, Arch::Scalar) => None,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        ("avx2", arch) => Some(V3::try_new().map_or(arch, Arch::V3)),
        (_, arch) => Some(arch),
    }
});

/// Runs `op` with the best instructions of this machine; without any that we know, on four lanes that the compiler maps to what it has.
#[inline]
pub(crate) fn dispatch<O: WithSimd>(op: O) -> O::Output {
    match *ARCH {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Some(Arch::V4(simd)) => Simd::vectorize(simd, op),
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Some(Arch::V3(simd)) => Simd::vectorize(simd, op),
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        Some(arch) => arch.dispatch(op),
        _ => op.with_simd(Scalar128b),
    }
}

/// Elements of a vector of [`dispatch`].
pub(crate) fn lanes() -> usize {
    dispatch(Lanes)
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
    }
}

/// The exchanges of vectors of eight elements, where the machine's vectors are at least as long.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn eights<S: Simd>(simd: S) -> Option<V3> {
    let any: &dyn Any = &simd;
    any.downcast_ref::<V3>().copied().or_else(|| any.downcast_ref::<V4>().map(|v4| **v4))
}

/// For each place that of the elements of two vectors, one after the other, which has its index.
#[inline(always)]
pub(crate) fn exchange<S: Simd>(simd: S, [low, high]: [S::f32s; 2], index: S::u32s) -> S::f32s {
    #[cfg(target_arch = "x86_64")]
    if let Some(v4) = (&simd as &dyn Any).downcast_ref::<V4>() {
        let [low, high]: [__m512; 2] = [bytemuck::cast(low), bytemuck::cast(high)];
        return bytemuck::cast(v4.avx512f._mm512_permutex2var_ps(low, bytemuck::cast(index), high));
    }
    let (both, mut exchanged) = ([low, high], simd.splat_f32s(0.0));
    let both: &[f32] = bytemuck::cast_slice(&both);
    let places: &mut [f32] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut exchanged));
    let index: &[u32] = bytemuck::cast_slice(std::slice::from_ref(&index));
    places.iter_mut().zip(index).for_each(|(place, &i)| *place = both[i as usize]);
    exchanged
}

/// Where blocks of eight of `0..count` begin, the last at the end; one that is not whole where there are fewer.
#[inline(always)]
pub(crate) fn starts(count: usize) -> impl Iterator<Item = usize> + Clone {
    (0..count).step_by(8).map(move |start| start.min(count.saturating_sub(8)))
}

/// Whether vectors are arrays, for which a multiply-add in one rounding would be a call for each element.
#[inline(always)]
fn is_emulated<S: Simd>() -> bool {
    [TypeId::of::<Scalar128b>(), TypeId::of::<Scalar256b>(), TypeId::of::<Scalar512b>()].contains(&TypeId::of::<S>())
}

/// `a * b + c`, in one rounding where the machine can.
#[inline(always)]
pub(crate) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if is_emulated::<S>() { simd.add_f32s(simd.mul_f32s(a, b), c) } else { simd.mul_add_e_f32s(a, b, c) }
}

/// As [`multiply_add`], of numbers.
#[inline(always)]
pub(crate) fn multiply_add_scalar<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if is_emulated::<S>() { a * b + c } else { a.mul_add(b, c) }
}

/// `max(v, 0)`; what is not a number stays so.
#[inline(always)]
pub(crate) fn relu<S: Simd>(simd: S, v: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(v, zero), zero, v)
}

/// [`relu`] of all values.
#[inline(always)]
pub(crate) fn relu_all<S: Simd>(simd: S, values: &mut [f32]) {
    let (head, tail) = S::as_mut_simd_f32s(values);
    for v in head {
        *v = relu(simd, *v);
    }
    tail.iter_mut().filter(|v| **v < 0.0).for_each(|v| *v = 0.0);
}

/// `exp` of numbers that are not above zero, within two units in the last place; what is below -87 becomes zero, what is not a number stays so.
/// Reduction to `[-ln 2 / 2, ln 2 / 2]` and a polynomial (Cephes' `expf`).
#[inline(always)]
pub(crate) fn exp_all<S: Simd>(_: S, values: &mut [f32]) {
    /// Added to a small number, it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const TERMS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    for v in values {
        let rounded = multiply_add_scalar::<S>(*v, std::f32::consts::LOG2_E, ROUND);
        let halvings = rounded - ROUND;
        let rest = multiply_add_scalar::<S>(-halvings, LN2[0], *v);
        let rest = multiply_add_scalar::<S>(-halvings, LN2[1], rest);
        let mut sum = TERMS[0];
        for term in &TERMS[1..] {
            sum = multiply_add_scalar::<S>(sum, rest, *term);
        }
        let sum = multiply_add_scalar::<S>(sum * rest, rest, rest) + 1.0;
        let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
        *v = if *v < -87.0 { 0.0 } else { sum * power };
    }
}

/// The vector from `at` on.
#[inline(always)]
pub(crate) fn load<S: Simd>(from: &[f32], at: usize) -> S::f32s {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&from[at..][..S::F32_LANES]))
}

/// Writes as many elements of a vector as there is room for.
#[inline(always)]
pub(crate) fn store<S: Simd>(vector: S::f32s, to: &mut [f32]) {
    let count = S::F32_LANES.min(to.len());
    to[..count].copy_from_slice(&bytemuck::cast_slice(std::slice::from_ref(&vector))[..count]);
}

/// Copies a line of at most as many elements as `to` has.
#[inline(always)]
pub(crate) fn copy<S: Simd>(from: &[f32], to: &mut [f32]) {
    let lanes = S::F32_LANES;
    let to = &mut to[..from.len()];
    if from.len() < lanes {
        return copy_few(from, to);
    }
    for at in (0..from.len() - lanes + 1).step_by(lanes) {
        store::<S>(load::<S>(from, at), &mut to[at..][..lanes]);
    }
    let last = from.len() - lanes;
    store::<S>(load::<S>(from, last), &mut to[last..][..lanes]);
}

/// Copies a short line, of as many elements as `to` has, without a call.
#[inline(always)]
pub(crate) fn copy_few(from: &[f32], to: &mut [f32]) {
    let count = to.len();
    let from = &from[..count];
    if count >= 8 {
        to.chunks_exact_mut(8).zip(from.chunks_exact(8)).for_each(|(to, from)| to.copy_from_slice(from));
        to[count - 8..].copy_from_slice(&from[count - 8..]);
    } else if count >= 4 {
        to[..4].copy_from_slice(&from[..4]);
        to[count - 4..].copy_from_slice(&from[count - 4..]);
    } else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// Whether all are finite.
#[inline(always)]
pub(crate) fn are_finite<S: Simd>(simd: S, values: &[f32]) -> bool {
    let (head, tail) = S::as_simd_f32s(values);
    let zero = simd.splat_f32s(0.0);
    let mut sum = zero;
    for v in head {
        sum = multiply_add(simd, *v, zero, sum);
    }
    (simd.reduce_sum_f32s(sum) + tail.iter().map(|v| v * 0.0).sum::<f32>()) == 0.0
}

/// The sum of numbers.
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(values);
    let mut sums = [simd.splat_f32s(0.0); 4];
    for some in vectors.chunks(4) {
        for (sum, v) in sums.iter_mut().zip(some) {
            *sum = simd.add_f32s(*sum, *v);
        }
    }
    total(simd, sums) + rest.iter().sum::<f32>()
}

/// The sum of the products of two lines, as many as the shorter has.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(&a[..length]), S::as_simd_f32s(&b[..length]));
    let mut sums = [simd.splat_f32s(0.0); 4];
    for (a, b) in a.chunks(4).zip(b.chunks(4)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum = multiply_add(simd, *a, *b, *sum);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    total(simd, sums) + rest
}

/// The sum of all lanes.
#[inline(always)]
fn total<S: Simd>(simd: S, sums: [S::f32s; 4]) -> f32 {
    let [a, b, c, d] = sums;
    simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
}

/// The larger of each two; the first unless the second is a larger number.
#[inline(always)]
pub(crate) fn larger<S: Simd>(simd: S, first: S::f32s, second: S::f32s) -> S::f32s {
    simd.select_f32s(simd.less_than_f32s(first, second), second, first)
}

/// The largest of those that are numbers; minus infinity of none.
#[inline(always)]
pub(crate) fn largest<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(values);
    let mut tops = [simd.splat_f32s(f32::NEG_INFINITY); 2];
    for some in vectors.chunks(2) {
        for (top, v) in tops.iter_mut().zip(some) {
            *top = larger(simd, *top, *v);
        }
    }
    let top = simd.reduce_max_f32s(larger(simd, tops[0], tops[1]));
    rest.iter().fold(top, |top, &v| if v > top { v } else { top })
}
