//! The matrix product that the kernels share.
use gemm::Parallelism;

/// A matrix inside a slice: element (i, j) at `i * rows + j * columns`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

/// `y[m, n] += a[m, k] b[k, n]`, all row-major, y dense.
pub(super) fn add_product(y: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, [m, k, n]: [usize; 3], threads: usize) {
    if m == 0 || k == 0 || n == 0 {
        return;
    }
    assert!(y.len() >= m * n, "y is too short");
    assert!(a.stride >= k && a.data.len() >= (m - 1) * a.stride + k, "a is too short");
    assert!(b.stride >= n && b.data.len() >= (k - 1) * b.stride + n, "b is too short");
    let parallel = if threads > 1 && m * n * k > 1 << 20 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // SAFETY: the assertions above keep every element that the strides reach inside the three slices, and y is borrowed mutably,
    // so it overlaps neither a nor b.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            true,
            a.data.as_ptr(),
            1,
            a.stride as isize,
            b.data.as_ptr(),
            1,
            b.stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallel,
        );
    }
}
