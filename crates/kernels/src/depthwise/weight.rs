//! The gradients of the weights and the bias of one output channel.
use super::layout::{Dealt, products, span};
use super::line::{self, ELEMENTS};
use crate::layer::Conv2d;
use crate::pool::Scratch;
use crate::simd::{are_finite, copy, sum};
use pulp::{Simd, WithSimd};

pub(crate) struct BackwardWeight<'a> {
    pub conv: &'a Conv2d,
    pub dy: &'a [f32],
    pub x: &'a [f32],
    /// The channel.
    pub output: usize,
    pub dw: &'a mut [f32],
    pub db: Option<&'a mut f32>,
}

impl WithSimd for BackwardWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, output, dw, .. } = self;
        let [height, width] = conv.output_size();
        let (plane, out) = (conv.size[0] * conv.size[1], height * width);
        dw.fill(0.0);
        let mut bias = 0.0;
        let mut dealt = Dealt::new::<S>(conv);
        let (pitch, places) = (dealt.pitch(), dealt.places(conv));
        let mut line = Scratch::new(span([height, width], pitch));
        line.fill(0.0);
        for n in 0..if out == 0 { 0 } else { conv.batch } {
            let x = &self.x[(n * conv.inputs + output / conv.group_outputs()) * plane..][..plane];
            let dy = &self.dy[(n * conv.outputs + output) * out..][..out];
            bias += sum(simd, dy);
            if !are_finite(simd, x) || !are_finite(simd, dy) {
                products(conv, |from, element, to| dw[element] += dy[to] * x[from]);
                continue;
            }
            dealt.deal(simd, conv, x);
            line.chunks_mut(pitch).zip(dy.chunks_exact(width)).for_each(|(line, dy)| copy::<S>(dy, line));
            for (dw, places) in dw.chunks_mut(ELEMENTS).zip(places.chunks(ELEMENTS)) {
                line::products(simd, &line, dealt.pixels(), places, dw);
            }
        }
        if let Some(db) = self.db {
            *db = bias;
        }
    }
}
