//! Vectors along a line.
use crate::simd::{load, multiply_add, store};
use pulp::Simd;

/// Vectors that are summed at a time.
const STRIP: usize = 8;

/// Elements that are read behind the end of a line, at most.
pub(super) fn slack<S: Simd>() -> usize {
    S::F32_LANES
}

/// `out[j] = bias + sum of weight * plane[base + place + j]` over the elements, for all j of `out` up to the end of its last vector.
#[inline(always)]
pub(super) fn correlate<S: Simd>(
    simd: S,
    plane: &[f32],
    base: usize,
    elements: &[(f32, usize)],
    bias: f32,
    out: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let mut at = base;
    let mut strips = out.chunks_exact_mut(STRIP * lanes);
    for strip in &mut strips {
        let mut sums = [simd.splat_f32s(bias); STRIP];
        for &(weight, place) in elements {
            let weight = simd.splat_f32s(weight);
            let seen = &plane[at + place..][..STRIP * lanes];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = multiply_add(simd, weight, load::<S>(seen, v * lanes), *sum);
            }
        }
        sums.iter().enumerate().for_each(|(v, sum)| store::<S>(*sum, &mut strip[v * lanes..][..lanes]));
        at += STRIP * lanes;
    }
    for part in strips.into_remainder().chunks_mut(lanes) {
        let mut sum = simd.splat_f32s(bias);
        for &(weight, place) in elements {
            sum = multiply_add(simd, simd.splat_f32s(weight), load::<S>(plane, at + place), sum);
        }
        store::<S>(sum, part);
        at += lanes;
    }
}

/// Elements of the kernel whose gradients are summed at a time.
pub(super) const ELEMENTS: usize = 9;

/// `sums[e] += sum over j of line[j] * plane[places[e] + j]`.
#[inline(always)]
pub(super) fn products<S: Simd>(simd: S, line: &[f32], plane: &[f32], places: &[usize], sums: &mut [f32]) {
    let lanes = S::F32_LANES;
    let mut vectors = [simd.splat_f32s(0.0); ELEMENTS];
    let whole = line.len() - line.len() % lanes;
    for j in (0..whole).step_by(lanes) {
        let d = load::<S>(line, j);
        for (sum, place) in vectors.iter_mut().zip(places) {
            *sum = multiply_add(simd, d, load::<S>(plane, place + j), *sum);
        }
    }
    for ((sum, vector), place) in sums.iter_mut().zip(vectors).zip(places) {
        let rest = line[whole..].iter().zip(&plane[place + whole..]).map(|(a, b)| a * b).sum::<f32>();
        *sum += simd.reduce_sum_f32s(vector) + rest;
    }
}
