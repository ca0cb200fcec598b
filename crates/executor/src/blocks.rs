//! Which blocks of a layer's weights are there.
use crate::error::{Error, Result};
use std::sync::Arc;
use supple_graph::blocks::height;
use supple_graph::kinds::Pattern as OfEach;
use supple_graph::{Array, Choice, Kind, Op, Operator, SparsityKind};
use supple_kernels::pattern::Shape;
use supple_kernels::{Conv2d, Cut, Layer, Linear, Order, Pack, Pattern};

/// Blocks of a layer's weights: all in order of importance, of which a density is a prefix, or those of one density alone.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    pack: Arc<Pack>,
    layer: Layer,
    shape: Vec<usize>,
    kept: usize,
}

impl Blocks {
    /// All blocks of `weights`, in the order in which a kind leaves them out.
    ///
    /// # Errors
    /// When the operator has no such blocks.
    pub fn all(op: &Op, weights: &Array, kind: Kind) -> Result<Self> {
        let layer = layer(op, weights.shape())?;
        let pack = Pack::new(&layer, weights.data(), weights.data(), height(kind), order(kind));
        Self::of(pack, layer, weights)
    }

    /// The blocks that a choice leaves of each row of `weights`.
    ///
    /// # Errors
    /// When the operator has no such blocks.
    pub fn best(op: &Op, weights: &Array, choice: Choice) -> Result<Self> {
        let layer = layer(op, weights.shape())?;
        Self::of(Pack::best(&layer, weights.data(), cut(&layer, choice)), layer, weights)
    }

    fn of(pack: Result<Pack, supple_kernels::Error>, layer: Layer, weights: &Array) -> Result<Self> {
        let pack = pack.map_err(|error| Error::new("blocks", error))?;
        Ok(Self { kept: pack.stored(), pack: Arc::new(pack), layer, shape: weights.shape().to_vec() })
    }

    /// Those of all of them that a choice of the kind leaves: the first.
    #[must_use]
    pub fn keeping(self, Choice { kind, density }: Choice) -> Self {
        Self { kept: kind.kept(self.pack.stored(), density), ..self }
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

/// In which order a kind leaves out blocks.
fn order(kind: Kind) -> Order {
    if kind == Kind::Pattern(OfEach) { Order::OfEach(OfEach::OF) } else { Order::Importance }
}

/// The blocks of a layer that a choice leaves.
pub(crate) fn cut(layer: &Layer, Choice { kind, density }: Choice) -> Cut {
    Cut { height: height(kind), order: order(kind), kept: kind.kept(Shape::of(layer).positions, density) }
}

/// The layer with weights of this shape on one sample, as far as its weights tell.
fn layer(op: &Op, weights: &[usize]) -> Result<Layer> {
    let inputs = match (op, weights) {
        (Op::Conv(conv), [_, each, kernel @ ..]) => [&[1, each * conv.groups], kernel].concat(),
        _ => weights.iter().take(1).copied().collect(),
    };
    layer_at(op, &inputs, weights)
}

/// The layer with an input and weights of these shapes.
///
/// # Errors
/// When it is neither a linear layer nor a convolution over one or two axes.
pub(crate) fn layer_at(op: &Op, x: &[usize], weights: &[usize]) -> Result<Layer> {
    match (op, weights) {
        (Op::Linear(_), &[inputs, outputs]) => {
            let rows = x[..x.len().saturating_sub(1)].iter().product();
            Ok(Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs }))
        }
        (Op::Conv(conv), [outputs, each, kernel @ ..])
            if (1..=2).contains(&kernel.len()) && x.len() == weights.len() =>
        {
            let pair = |list: &[usize], one: usize| if list.len() == 2 { [list[0], list[1]] } else { [one, list[0]] };
            let padding: Vec<usize> = conv.padding.iter().map(|[before, after]| before + after).collect();
            let (size, padding) = (pair(&x[2..], 1), pair(&padding, 0));
            Ok(Layer::Conv2d(Conv2d {
                batch: x[0],
                inputs: x[1],
                outputs: *outputs,
                groups: conv.groups,
                size: [size[0] + padding[0], size[1] + padding[1]],
                kernel: pair(kernel, 1),
                stride: pair(&conv.stride, 1),
                padding: [0, 0],
                dilation: pair(&conv.dilation, 1),
                row_stride: each * kernel.iter().product::<usize>(),
            }))
        }
        _ => Err(Error::new(op.name(), format!("no blocks in weights {weights:?}"))),
    }
}
