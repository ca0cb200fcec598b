//! The kernels, one file each, the preferred first.
use crate::kernel::{Kernel, Key};

mod active_inputs;
mod block_images;
mod block_lines;
mod block_planes;
mod block_rows;
mod dense_conv2d;
mod dense_linear;
mod depthwise_conv2d;
mod narrow_conv2d;

pub use active_inputs::ActiveInputs;
pub use block_images::BlockImages;
pub use block_lines::BlockLines;
pub use block_planes::BlockPlanes;
pub use block_rows::BlockRows;
pub use dense_conv2d::DenseConv2d;
pub use dense_linear::DenseLinear;
pub use depthwise_conv2d::DepthwiseConv2d;
pub use narrow_conv2d::NarrowConv2d;

static ALL: [&dyn Kernel; 9] = [
    &DenseLinear,
    &DepthwiseConv2d,
    &NarrowConv2d,
    &DenseConv2d,
    &BlockRows,
    &BlockImages,
    &BlockLines,
    &BlockPlanes,
    &ActiveInputs,
];

/// Every kernel.
pub fn all() -> &'static [&'static dyn Kernel] {
    &ALL
}

/// The first kernel that takes `key` and pays there.
pub fn find(key: &Key) -> Option<&'static dyn Kernel> {
    ALL.into_iter().find(|kernel| kernel.takes(key) && kernel.pays(key))
}
