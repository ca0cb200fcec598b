//! The instructions that the machine has, and the few vector operations that are not in `pulp`.
use pulp::bytemuck;
use pulp::{Arch, Scalar128b, Scalar256b, Scalar512b, Simd, WithSimd};
use std::any::TypeId;
use std::sync::LazyLock;

/// The best instructions of this machine, or those that `SUPPLE_KERNELS` asks for: `avx2`, or `portable` for a machine that has none of those we
/// know.
static ARCH: LazyLock<Option<Arch>> = LazyLock::new(|| {
    let wanted = std::env::var("SUPPLE_KERNELS").unwrap_or_default();
    match (&*wanted, Arch::new()) {
        ("portable", _) | (_, Arch::Scalar) => None,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        ("avx2", arch) => Some(pulp::x86::V3::try_new().map_or(arch, Arch::V3)),
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

/// `a * b + c`, in one rounding where the machine can.
#[inline(always)]
pub(crate) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    let emulated = [TypeId::of::<Scalar128b>(), TypeId::of::<Scalar256b>(), TypeId::of::<Scalar512b>()];
    if emulated.contains(&TypeId::of::<S>()) {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// As [`multiply_add`], of numbers.
#[inline(always)]
pub(crate) fn multiply_add_scalar<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    let emulated = [TypeId::of::<Scalar128b>(), TypeId::of::<Scalar256b>(), TypeId::of::<Scalar512b>()];
    if emulated.contains(&TypeId::of::<S>()) { a * b + c } else { a.mul_add(b, c) }
}

/// `max(v, 0)`; what is not a number stays so.
#[inline(always)]
pub(crate) fn relu<S: Simd>(simd: S, v: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(v, zero), zero, v)
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
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        return;
    }
    for at in (0..from.len() - lanes + 1).step_by(lanes) {
        store::<S>(load::<S>(from, at), &mut to[at..][..lanes]);
    }
    let last = from.len() - lanes;
    store::<S>(load::<S>(from, last), &mut to[last..][..lanes]);
}

/// Whether all are finite.
#[inline(always)]
pub(crate) fn are_finite<S: Simd>(simd: S, values: &[f32]) -> bool {
    let (head, tail) = S::as_simd_f32s(values);
    let zero = simd.splat_f32s(0.0);
    let sum = head.iter().fold(zero, |sum, v| multiply_add(simd, *v, zero, sum));
    (simd.reduce_sum_f32s(sum) + tail.iter().map(|v| v * 0.0).sum::<f32>()) == 0.0
}

/// The transpose of a 4 x 4 block.
#[inline(always)]
pub(crate) fn transpose4(a: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    let mut t = [[0.0; 4]; 4];
    for (r, row) in a.iter().enumerate() {
        for (c, v) in row.iter().enumerate() {
            t[c][r] = *v;
        }
    }
    t
}

/// Four elements from `at` on.
#[inline(always)]
pub(crate) fn four(data: &[f32], at: usize) -> [f32; 4] {
    match data[at..].first_chunk::<4>() {
        Some(chunk) => *chunk,
        None => [0.0; 4],
    }
}

/// `to[c * to_stride + r] = from[r * from_stride + c]` for all r below `rows` and c below `columns`.
#[inline(always)]
pub(crate) fn transpose(
    from: &[f32],
    from_stride: usize,
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    to_stride: usize,
) {
    let (whole_rows, whole_columns) = (rows & !3, columns & !3);
    for c in (0..whole_columns).step_by(4) {
        for r in (0..whole_rows).step_by(4) {
            let at = r * from_stride + c;
            let block = transpose4([0, 1, 2, 3].map(|i| four(from, at + i * from_stride)));
            for (i, line) in block.iter().enumerate() {
                to[(c + i) * to_stride + r..][..4].copy_from_slice(line);
            }
        }
        for r in whole_rows..rows {
            for i in c..c + 4 {
                to[i * to_stride + r] = from[r * from_stride + i];
            }
        }
    }
    for c in whole_columns..columns {
        for r in 0..rows {
            to[c * to_stride + r] = from[r * from_stride + c];
        }
    }
}
