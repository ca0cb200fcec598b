//! Linear layers whose gradient comes back in part: the outputs with the largest gradients alone.
use super::extension::{Buffers, Floats, dense, lengths};
use burn::tensor::TensorData;
use std::borrow::Cow;
use supple_kernels::{Error, Linear, top};

/// The gradients that count of what comes back to a linear layer.
pub(super) struct Largest<'a> {
    dy: Cow<'a, [f32]>,
    kept: Vec<usize>,
    threads: usize,
}

impl<'a> Largest<'a> {
    /// Those of `count` outputs.
    pub fn of<B: Buffers>(dy: &'a Floats<B>, count: usize, threads: usize) -> Self {
        let outputs = lengths(dy).last().copied().unwrap_or(1);
        let dy = dense::<B>(dy);
        let kept = top::outputs(&dy, outputs, count);
        Self { dy, kept, threads }
    }

    /// The gradient of the input, by products of as many columns.
    pub fn input_gradient<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>) -> Floats<B> {
        let ((rows, stride), shape) = (B::rows(w), lengths(x));
        let mut dx = vec![0.0; shape.iter().product()];
        done(self.backward::<B>(w, x, stride).input(&rows, &mut dx));
        B::build(TensorData::new(dx, shape))
    }

    /// The gradients of weights and bias, by products of as many columns.
    pub fn weight_gradient<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>) -> (Floats<B>, Floats<B>) {
        let shape = lengths(w);
        let (mut dw, mut db) = (vec![0.0; shape.iter().product()], vec![0.0; shape[1]]);
        done(self.backward::<B>(w, x, shape[1]).weights(&dense::<B>(x), &mut dw, &mut db));
        let outputs = vec![shape[1]];
        (B::build(TensorData::new(dw, shape)), B::build(TensorData::new(db, outputs)))
    }

    fn backward<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>, row_stride: usize) -> top::Backward<'_> {
        let (x, w) = (lengths(x), lengths(w));
        let rows = x[..x.len() - 1].iter().product();
        let layer = Linear { rows, inputs: w[0], outputs: w[1], row_stride };
        top::Backward { layer, kept: &self.kept, dy: &self.dy, threads: self.threads }
    }

    /// What comes back, with zeros for what does not count.
    pub fn masked<B: Buffers>(&self, like: &Floats<B>) -> Floats<B> {
        let shape = lengths(like);
        let mut masked = vec![0.0; self.dy.len()];
        let outputs = shape.last().copied().unwrap_or(1).max(1);
        for (to, from) in masked.chunks_mut(outputs).zip(self.dy.chunks(outputs)) {
            self.kept.iter().for_each(|&at| to[at] = from[at]);
        }
        B::build(TensorData::new(masked, shape))
    }
}

/// The shapes come from a checked graph.
fn done(result: Result<(), Error>) {
    assert!(result.is_ok(), "{result:?}");
}
