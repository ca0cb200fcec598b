//! Linear layers and convolutions as an extension of Burn's CPU backends: our kernels on their buffers, forward and backward.
use crate::blocks::Blocks;
use crate::device::Backend;
use std::sync::Arc;
use supple_graph::operators::Conv;
use supple_graph::{Density, Near};
use supple_kernels::Adam;
use supple_kernels::adam::Stretch;

/// Which layer a call computes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `x W + b`, W `[inputs, outputs]`.
    Linear,
    /// A convolution over two axes.
    Conv2d(Window2d),
}

impl Kind {
    /// The axis of the output, of `rank` axes, that counts the layer's outputs.
    pub fn output_axis(&self, rank: usize) -> usize {
        match self {
            Self::Linear => rank - 1,
            Self::Conv2d(_) => 1,
        }
    }
}

/// A convolution over two axes: numbers for rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window2d {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Window2d {
    /// `None` unless it runs over two axes, with as much padding before as after.
    pub fn of(conv: &Conv) -> Option<Self> {
        let pair = |list: &[usize]| list.try_into().ok();
        let padding: Vec<usize> = conv.padding.iter().map(|[before, _]| *before).collect();
        let even = conv.padding.iter().all(|[before, after]| before == after);
        let window = Self {
            stride: pair(&conv.stride)?,
            padding: pair(&padding)?,
            dilation: pair(&conv.dilation)?,
            groups: conv.groups,
        };
        even.then_some(window)
    }
}

/// What a call of a layer says besides its operands.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub kind: Kind,
    /// Which weights are there, if not all; then the weights are the values of these blocks.
    pub blocks: Option<Blocks>,
    /// How many outputs count backward, if not all: those with the largest gradients.
    pub top: Option<usize>,
    /// The part of a linear layer's inputs up to which those that are zero in all rows are skipped.
    pub skip: Option<Density>,
    /// Negative outputs become zero.
    pub relu: bool,
    pub threads: usize,
}

/// What a call of attention says besides its operands, whose leading axes are samples and heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionCall {
    pub scale: f64,
    pub causal: bool,
    /// Which blocks of scores are computed, if not all.
    pub near: Option<Near>,
    pub threads: usize,
}

/// What a call of max-pooling says besides its operand `[batch, channels, height, width]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxPoolCall {
    /// Height and width of the output.
    pub windows: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Before the first element of each axis.
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub threads: usize,
}

/// What a step of the optimizer says besides its operands.
#[derive(Clone, Debug)]
pub(crate) struct AdamCall {
    pub adam: Adam,
    /// Which elements move.
    pub stretches: Vec<Stretch>,
    /// Which of these are there, if not all.
    pub there: Option<Arc<[bool]>>,
    pub threads: usize,
}

/// Whether our kernels run on this backend.
pub(crate) fn has_kernels(backend: Backend) -> bool {
    match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => true,
        #[cfg(feature = "ndarray")]
        Backend::NdArray => true,
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => false,
    }
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn layer(
    _x: &crate::tensor::Any,
    _w: &crate::tensor::Any,
    _b: Option<&crate::tensor::Any>,
    _call: Call,
) -> Option<crate::tensor::Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn pack(_w: &crate::tensor::Any, _blocks: Blocks) -> Option<crate::tensor::Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn thin_inputs(_x: &crate::tensor::Any, _count: usize) -> Option<crate::tensor::Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn thin_gradient(_y: &crate::tensor::Any, _axis: usize, _count: usize) -> Option<crate::tensor::Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn attention(_operands: [&crate::tensor::Any; 3], _call: AttentionCall) -> Option<crate::tensor::Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn adam(
    _moving: [crate::tensor::Any; 5],
    _gradient: crate::tensor::Any,
    _call: AdamCall,
) -> Option<[crate::tensor::Any; 5]> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn max_pool(_x: &crate::tensor::Any, _call: MaxPoolCall) -> Option<crate::tensor::Any> {
    None
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) use extension::{adam, attention, layer, max_pool, pack, thin_gradient, thin_inputs};

#[cfg(any(feature = "flex", feature = "ndarray"))]
mod backward;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod extension;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod top;
