//! The kernels, one file each, the preferred first.
use crate::kernel::{Kernel, Key};

mod prefix_conv2d;
mod prefix_linear;
mod product;

pub use prefix_conv2d::PrefixConv2d;
pub use prefix_linear::PrefixLinear;

static ALL: [&dyn Kernel; 2] = [&PrefixLinear, &PrefixConv2d];

/// Every kernel.
pub fn all() -> &'static [&'static dyn Kernel] {
    &ALL
}

/// The first kernel that takes `key`.
pub fn find(key: &Key) -> Option<&'static dyn Kernel> {
    ALL.into_iter().find(|kernel| kernel.takes(key))
}
