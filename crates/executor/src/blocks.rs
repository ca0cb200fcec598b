//! Which blocks of a layer's weights are there.
use crate::error::{Error, Result};
use std::sync::Arc;
use supple_graph::blocks::HEIGHT;
use supple_graph::{Array, Density, Op, Operator};
use supple_kernels::pattern::Shape;
use supple_kernels::{Conv2d, Layer, Linear, Order, Pack, Pattern};

/// Blocks of a layer's weights: all in order of importance, of which a density is a prefix, or those of one density alone.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    pack: Arc<Pack>,
    layer: Layer,
    shape: Vec<usize>,
    kept: usize,
}

impl Blocks {
    /// All blocks of `weights`.
    ///
    /// # Errors
    /// When the operator has no such blocks.
    pub fn all(op: &Op, weights: &Array) -> Result<Self> {
        let layer = layer(op, weights.shape())?;
        let pack = Pack::new(&layer, weights.data(), weights.data(), HEIGHT, Order::Importance);
        Self::of(pack, layer, weights)
    }

    /// The most important blocks of each row of `weights`.
    ///
    /// # Errors
    /// When the operator has no such blocks.
    pub fn best(op: &Op, weights: &Array, keep: Density) -> Result<Self> {
        let layer = layer(op, weights.shape())?;
        let kept = keep.kept(Shape::of(&layer).positions);
        Self::of(Pack::best(&layer, weights.data(), HEIGHT, kept), layer, weights)
    }

    fn of(pack: Result<Pack, supple_kernels::Error>, layer: Layer, weights: &Array) -> Result<Self> {
        let pack = pack.map_err(|error| Error::new("blocks", error))?;
        Ok(Self { kept: pack.stored(), pack: Arc::new(pack), layer, shape: weights.shape().to_vec() })
    }

    /// The first of all of them.
    #[must_use]
    pub fn keeping(self, keep: Density) -> Self {
        Self { kept: keep.kept(self.pack.stored()), ..self }
    }

    /// The values that were packed, `[rows of blocks, stored, height]`.
    ///
    /// # Errors
    /// Never: they are as many as they are.
    pub fn values(&self) -> Result<Array> {
        Ok(Array::new(self.packed_shape(), self.pack.values().to_vec())?)
    }

    /// The shape of the dense weights.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The shape of the values.
    pub fn packed_shape(&self) -> Vec<usize> {
        let (stored, height) = (self.pack.stored(), self.pack.height());
        vec![self.pack.values().len() / (stored * height).max(1), stored, height]
    }

    /// What a kernel is told.
    pub fn pattern(&self) -> Pattern<'_> {
        self.pack.blocks(self.kept).map_or(Pattern::Dense, Pattern::Blocks)
    }

    /// The values of these blocks of other dense weights.
    pub fn gather(&self, weights: &[f32]) -> Vec<f32> {
        self.pack.gather(&self.layer, weights).unwrap_or_default()
    }

    /// Dense weights with these values, and zero where a block is left out.
    pub fn scatter(&self, values: &[f32]) -> Vec<f32> {
        let mut dense = vec![0.0; self.shape.iter().product()];
        let done = self.pack.unpack(&self.layer, values, self.kept, &mut dense);
        debug_assert!(done.is_ok(), "{done:?}");
        dense
    }

    /// One where a weight is there, zero where it is left out.
    ///
    /// # Errors
    /// Never: there are as many as the shape says.
    pub fn mask(&self) -> Result<Array> {
        let ones = vec![1.0; self.pack.values().len()];
        Ok(Array::new(self.shape.clone(), self.scatter(&ones))?)
    }
}

/// The layer with weights of this shape on one sample, as far as its weights tell.
fn layer(op: &Op, shape: &[usize]) -> Result<Layer> {
    match (op, shape) {
        (Op::Linear(_), &[inputs, outputs]) => {
            Ok(Layer::Linear(Linear { rows: 1, inputs, outputs, row_stride: outputs }))
        }
        (Op::Conv(conv), [outputs, each, kernel @ ..]) if kernel.len() == 1 || kernel.len() == 2 => {
            let kernel = [if kernel.len() == 2 { kernel[0] } else { 1 }, kernel[kernel.len() - 1]];
            Ok(Layer::Conv2d(Conv2d {
                batch: 1,
                inputs: each * conv.groups,
                outputs: *outputs,
                groups: conv.groups,
                size: kernel,
                kernel,
                stride: [1, 1],
                padding: [0, 0],
                dilation: [1, 1],
                row_stride: each * kernel[0] * kernel[1],
            }))
        }
        _ => Err(Error::new(op.name(), format!("no blocks in weights {shape:?}"))),
    }
}
