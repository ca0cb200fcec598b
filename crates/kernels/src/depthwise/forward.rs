//! The output of some planes.
use super::layout::{Dealt, products, span};
use super::line::correlate;
use crate::layer::Conv2d;
use crate::pool::Scratch;
use crate::simd::{copy, relu_all};
use pulp::{Simd, WithSimd};

pub(crate) struct Forward<'a> {
    pub conv: &'a Conv2d,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub b: Option<&'a [f32]>,
    pub relu: bool,
    /// The first plane of `y`, counted over samples and channels.
    pub first: usize,
    pub y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, .. } = self;
        let [height, width] = conv.output_size();
        let plane = conv.size[0] * conv.size[1];
        let mut dealt = Dealt::new::<S>(conv);
        let pitch = dealt.pitch();
        let places = dealt.places(conv);
        let mut line = Scratch::new(span([height, width], pitch));
        let mut elements = vec![(0.0, 0); conv.row()];
        for (i, y) in self.y.chunks_exact_mut((height * width).max(1)).enumerate() {
            let (sample, o) = ((self.first + i) / conv.outputs, (self.first + i) % conv.outputs);
            let x = &self.x[(sample * conv.inputs + o / conv.group_outputs()) * plane..][..plane];
            let w = &self.w[o * conv.row_stride..][..conv.row()];
            let bias = self.b.map_or(0.0, |b| b[o]);
            if w.iter().all(|w| w.is_finite()) {
                dealt.deal(simd, conv, x);
                elements.iter_mut().zip(w.iter().zip(&places)).for_each(|(e, (w, place))| *e = (*w, *place));
                correlate(simd, dealt.pixels(), 0, &elements, bias, &mut line);
                y.chunks_exact_mut(width).zip(line.chunks(pitch)).for_each(|(y, line)| copy::<S>(&line[..width], y));
            } else {
                y.fill(bias);
                products(conv, |from, element, to| y[to] += w[element] * x[from]);
            }
            if self.relu {
                relu_all(simd, y);
            }
        }
    }
}
