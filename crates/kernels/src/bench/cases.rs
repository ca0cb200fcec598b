//! The formats that can be measured, one file each.
use super::case::Case;
use crate::layer::Layer;
use std::fmt;

mod dense;

/// A way to store the weights.
pub struct Format {
    /// As in the option `--formats` and in the figures.
    pub name: &'static str,
    /// The case of a layer at a density; none where the format has no such density or does not hold such a layer.
    pub make: fn(&Layer, f64) -> Option<Box<dyn Case>>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Format").field("name", &self.name).finish_non_exhaustive()
    }
}

static ALL: [Format; 1] = [Format { name: "dense", make: dense::make }];

/// Every format.
pub fn all() -> &'static [Format] {
    &ALL
}

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().find(|format| format.name == name)
}

/// Numbers between -1/2 and 1/2, the same every time.
pub fn noise(length: usize) -> Vec<f32> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5).collect()
}
