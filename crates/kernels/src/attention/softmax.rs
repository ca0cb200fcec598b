//! The softmax of a row of scores, there and back.
use crate::simd::{dot, exp_all, largest, sum};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// `softmax(scale row)` of all that is not hidden, in place; zero where it is.
pub(super) struct Normalise<'a> {
    pub row: &'a mut [f32],
    pub scale: f32,
    pub hidden: &'a [Range<usize>],
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { row, scale, hidden } = self;
        let length = row.len();
        if hidden.first().is_some_and(|range| range.start == 0 && range.end >= length) {
            return row.fill(0.0);
        }
        row.iter_mut().for_each(|v| *v *= scale);
        hidden.iter().for_each(|range| row[range.start.min(length)..range.end.min(length)].fill(f32::NEG_INFINITY));
        let top = largest(simd, row);
        row.iter_mut().for_each(|v| *v -= top);
        exp_all(simd, row);
        let factor = sum(simd, row).recip();
        row.iter_mut().for_each(|v| *v *= factor);
    }
}

/// From the gradients of a row's weights to those of its scores before they were scaled, in place.
pub(super) struct SoftmaxBackward<'a> {
    pub gradients: &'a mut [f32],
    pub weights: &'a [f32],
    pub scale: f32,
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradients, weights, scale } = self;
        let mean = dot(simd, gradients, weights);
        gradients.iter_mut().zip(weights).for_each(|(g, w)| *g = scale * w * (*g - mean));
    }
}
