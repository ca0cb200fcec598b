//! The formats that can be measured.
use super::attention_case::AttentionCase;
use super::case::Case;
use super::operands::LayerCase;
use super::subject::Subject;
use crate::layer::Layer;
use crate::pack::Order;
use crate::pattern::Active;
use std::fmt;

/// A way to store the weights, or to leave out something else.
pub struct Format {
    /// As in the option `--formats` and in the figures.
    pub name: &'static str,
    /// The case of a layer or attention at a density; none where the format has no such density or does not hold such a thing.
    pub make: fn(&Subject, f64) -> Option<Box<dyn Case>>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Format").field("name", &self.name).finish_non_exhaustive()
    }
}

static ALL: [Format; 8] = [
    Format { name: "dense", make: dense },
    Format { name: "vector", make: |subject, density| blocks(subject, 8, density) },
    Format { name: "vector16", make: |subject, density| blocks(subject, 16, density) },
    Format { name: "nm", make: n_of_4 },
    Format { name: "top_k", make: top },
    Format { name: "threshold", make: threshold },
    Format { name: "score", make: score },
    Format { name: "unstructured", make: |subject, density| blocks(subject, 1, density) },
];

fn boxed(case: Option<LayerCase>) -> Option<Box<dyn Case>> {
    case.map(|case| Box::new(case) as Box<dyn Case>)
}

/// The layer that is measured, if it is one.
fn layer(subject: &Subject) -> Option<&Layer> {
    match subject {
        Subject::Layer(layer) => Some(layer),
        Subject::Attention(_) => None,
    }
}

fn dense(subject: &Subject, density: f64) -> Option<Box<dyn Case>> {
    (density >= 1.0).then(|| match *subject {
        Subject::Layer(layer) => Box::new(LayerCase::dense(layer)) as Box<dyn Case>,
        Subject::Attention(attention) => Box::new(AttentionCase::dense(attention)),
    })
}

fn blocks(subject: &Subject, height: usize, density: f64) -> Option<Box<dyn Case>> {
    boxed(LayerCase::blocks(*layer(subject)?, height, Order::Importance, density))
}

/// The blocks of scores nearest to each query, at densities below one.
fn score(subject: &Subject, density: f64) -> Option<Box<dyn Case>> {
    let Subject::Attention(attention) = *subject else { return None };
    let case = AttentionCase::near(attention, density).filter(|_| density < 1.0)?;
    Some(Box::new(case))
}

/// 1:4, 2:4 and 3:4; there is no case at other densities.
fn n_of_4(subject: &Subject, density: f64) -> Option<Box<dyn Case>> {
    let layer = layer(subject)?;
    let fits = density < 1.0 && (4.0 * density).fract() == 0.0;
    boxed(LayerCase::blocks(*layer, 1, Order::OfEach(4), density).filter(|_| fits))
}

/// Backward the largest gradients of a layer, at densities below one.
fn top(subject: &Subject, density: f64) -> Option<Box<dyn Case>> {
    let layer = layer(subject)?;
    let outputs = layer.lengths()[2];
    let count = ((density * outputs as f64).round() as usize).max(1);
    boxed(LayerCase::top(*layer, count).ok().filter(|_| density < 1.0))
}

/// Forward the largest inputs of a linear layer on few rows, at densities below one.
fn threshold(subject: &Subject, density: f64) -> Option<Box<dyn Case>> {
    let layer = layer(subject)?;
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
