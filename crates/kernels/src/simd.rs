//! The instructions that the machine has, and the few vector operations that are not in `pulp`.
use pulp::bytemuck;
use pulp::{Arch, Scalar128b, Scalar256b, Scalar512b, Simd, WithSimd};
use std::any::TypeId;
use std::sync::LazyLock;

/// The best instructions of this machine; `SUPPLE_KERNELS=portable` stands for a machine that has none of those we know.
static ARCH: LazyLock<Option<Arch>> = LazyLock::new(|| {
    let portable = std::env::var_os("SUPPLE_KERNELS").is_some_and(|value| value == "portable");
    match Arch::new() {
        Arch::Scalar => None,
        arch => (!portable).then_some(arch),
    }
});

/// Runs `op` with the best instructions of this machine; without any that we know, on four lanes that the compiler maps to what it has.
#[inline]
pub(crate) fn dispatch<O: WithSimd>(op: O) -> O::Output {
    match *ARCH {
        Some(arch) => arch.dispatch(op),
        None => op.with_simd(Scalar128b),
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
