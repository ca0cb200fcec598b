//! Layers whose gradient comes back in part: the outputs with the largest gradients alone.
use super::Call;
use super::extension::{Buffers, Floats, dense, layer_of, lengths};
use burn::tensor::TensorData;
use std::borrow::Cow;
use supple_kernels::{Error, top};

/// The gradients that count of what comes back to a layer, whose outputs lie on one axis.
pub(super) struct Largest<'a> {
    dy: Cow<'a, [f32]>,
    /// Outputs, and elements of each.
    planes: [usize; 2],
    kept: Vec<usize>,
}

impl<'a> Largest<'a> {
    /// Those of `count` outputs.
    pub fn of<B: Buffers>(dy: &'a Floats<B>, axis: usize, count: usize) -> Self {
        let shape = lengths(dy);
        let planes = [shape[axis], shape[axis + 1..].iter().product()];
        let dy = dense::<B>(dy);
        let kept = top::outputs(&dy, planes, count);
        Self { dy, planes, kept }
    }

    /// The gradient of the input, by products of as many outputs.
    pub fn input_gradient<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>, call: &Call) -> Floats<B> {
        let ((rows, stride), shape) = (B::rows(w), lengths(x));
        let mut dx = vec![0.0; shape.iter().product()];
        done(self.backward::<B>(w, x, stride, call).input(&rows, &mut dx));
        B::build(TensorData::new(dx, shape))
    }

    /// The gradients of weights and bias, by products of as many outputs.
    pub fn weight_gradient<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>, call: &Call) -> (Floats<B>, Floats<B>) {
        let shape = lengths(w);
        let (mut dw, mut db) = (vec![0.0; shape.iter().product()], vec![0.0; self.planes[0]]);
        let backward = self.backward::<B>(w, x, shape.iter().skip(1).product(), call);
        done(backward.weights(&dense::<B>(x), &mut dw, &mut db));
        (B::build(TensorData::new(dw, shape)), B::build(TensorData::new(db, vec![self.planes[0]])))
    }

    fn backward<B: Buffers>(&self, w: &Floats<B>, x: &Floats<B>, row_stride: usize, call: &Call) -> top::Backward<'_> {
        let (layer, _) = layer_of::<B>(&lengths(x), w, row_stride, call);
        top::Backward { layer, kept: &self.kept, dy: &self.dy, threads: call.threads }
    }

    /// What comes back, with zeros for what does not count.
    pub fn masked<B: Buffers>(&self, like: &Floats<B>) -> Floats<B> {
        let [outputs, each] = self.planes;
        let mut masked = vec![0.0; self.dy.len()];
        let row = (outputs * each).max(1);
        for (to, from) in masked.chunks_mut(row).zip(self.dy.chunks(row)) {
            for at in self.kept.iter().map(|o| o * each) {
                to[at..at + each].copy_from_slice(&from[at..at + each]);
            }
        }
        B::build(TensorData::new(masked, lengths(like)))
    }
}

/// The shapes come from a checked graph.
fn done(result: Result<(), Error>) {
    assert!(result.is_ok(), "{result:?}");
}
