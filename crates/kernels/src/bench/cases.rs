//! The formats that can be measured.
use super::case::Case;
use super::operands::LayerCase;
use crate::layer::Layer;
use crate::pack::Order;
use crate::pattern::Active;
use std::fmt;

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

static ALL: [Format; 7] = [
    Format { name: "dense", make: |layer, density| boxed((density >= 1.0).then(|| LayerCase::dense(*layer))) },
    Format { name: "vector", make: |layer, density| boxed(LayerCase::blocks(*layer, 8, Order::Importance, density)) },
    Format {
        name: "vector16",
        make: |layer, density| boxed(LayerCase::blocks(*layer, 16, Order::Importance, density)),
    },
    Format { name: "nm", make: n_of_4 },
    Format { name: "top_k", make: top },
    Format { name: "threshold", make: threshold },
    Format {
        name: "unstructured",
        make: |layer, density| boxed(LayerCase::blocks(*layer, 1, Order::Importance, density)),
    },
];

fn boxed(case: Option<LayerCase>) -> Option<Box<dyn Case>> {
    case.map(|case| Box::new(case) as Box<dyn Case>)
}

/// 1:4, 2:4 and 3:4; there is no case at other densities.
fn n_of_4(layer: &Layer, density: f64) -> Option<Box<dyn Case>> {
    let fits = density < 1.0 && (4.0 * density).fract() == 0.0;
    boxed(LayerCase::blocks(*layer, 1, Order::OfEach(4), density).filter(|_| fits))
}

/// Backward the largest gradients of a layer, at densities below one.
fn top(layer: &Layer, density: f64) -> Option<Box<dyn Case>> {
    let outputs = layer.lengths()[2];
    let count = ((density * outputs as f64).round() as usize).max(1);
    boxed(LayerCase::top(*layer, count).ok().filter(|_| density < 1.0))
}

/// Forward the largest inputs of a linear layer on few rows, at densities below one.
fn threshold(layer: &Layer, density: f64) -> Option<Box<dyn Case>> {
    let Layer::Linear(linear) = layer else { return None };
    let count = ((density * linear.inputs as f64).round() as usize).max(1);
    boxed(LayerCase::active(*layer, count).ok().filter(|_| linear.rows <= Active::MOST_ROWS && density < 1.0))
}

/// Every format.
pub fn all() -> &'static [Format] {
    &ALL
}

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().find(|format| format.name == name)
}
