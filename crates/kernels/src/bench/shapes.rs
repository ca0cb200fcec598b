//! A file of shapes, as peers read it too.
use super::error::Error;
use super::subject::Subject;
use crate::attention::Attention;
use crate::layer::{Conv2d, Layer, Linear};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Shapes to measure where no file names them.
const FEW: &str = r#"{
    "linear": [{"batch": 1, "in": 1024, "out": 1024}, {"batch": 64, "in": 784, "out": 300}, {"batch": 256, "in": 512, "out": 512}],
    "conv2d": [{"batch": 8, "cin": 32, "cout": 64, "hw": 14, "k": 3, "stride": 1, "pad": 1},
               {"batch": 64, "cin": 64, "cout": 128, "hw": 7, "k": 3, "stride": 1, "pad": 1},
               {"batch": 8, "cin": 64, "cout": 128, "hw": 28, "k": 3, "stride": 2, "pad": 1},
               {"batch": 8, "cin": 96, "cout": 96, "hw": 28, "k": 3, "stride": 1, "pad": 1, "groups": 96}]}"#;

/// A file of shapes.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Shapes {
    #[serde(default)]
    linear: Vec<LinearShape>,
    #[serde(default)]
    conv2d: Vec<ConvShape>,
    #[serde(default)]
    conv1d: Vec<ConvShape>,
    #[serde(default)]
    attention: Vec<AttentionShape>,
    #[serde(default)]
    densities: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct LinearShape {
    batch: usize,
    r#in: usize,
    out: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ConvShape {
    batch: usize,
    cin: usize,
    cout: usize,
    /// Height and width, or the length in one dimension.
    #[serde(alias = "length")]
    hw: usize,
    k: usize,
    #[serde(default = "one")]
    stride: usize,
    #[serde(default)]
    pad: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    dilation: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    groups: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct AttentionShape {
    batch: usize,
    heads: usize,
    tokens: usize,
    /// Columns of a head.
    width: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    causal: bool,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(number: &usize) -> bool {
    *number == 1
}

/// A shape with its operator, as peers name both.
#[derive(Clone, Debug)]
pub struct Shape {
    /// `linear`, `conv2d`, `conv1d` or `attention`.
    pub op: &'static str,
    /// As in the file.
    pub shape: Value,
    /// What it makes.
    pub subject: Subject,
    /// Whether peers time this: their files have no one-dimensional and no dilated convolutions, and no attention.
    pub peers_know: bool,
}

impl Shapes {
    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::File(path.to_owned(), error))?;
        serde_json::from_str(&text).map_err(|error| Error::Shapes(path.to_owned(), error))
    }

    /// A few that stand for many.
    ///
    /// # Errors
    /// Never.
    pub fn few() -> Result<Self, Error> {
        serde_json::from_str(FEW).map_err(|error| Error::Shapes("built in".into(), error))
    }

    /// The densities of sparse formats; the dense format has the density of one alone.
    pub fn densities(&self) -> &[f64] {
        if self.densities.is_empty() { &[1.0] } else { &self.densities }
    }

    /// Every shape.
    ///
    /// # Errors
    /// The first that makes no layer.
    pub fn all(&self) -> Result<Vec<Shape>, Error> {
        let linear = self.linear.iter().map(Shape::linear);
        let conv2d = self.conv2d.iter().map(|shape| Shape::conv(shape, "conv2d"));
        let conv1d = self.conv1d.iter().map(|shape| Shape::conv(shape, "conv1d"));
        linear.chain(conv2d).chain(conv1d).chain(self.attention.iter().map(Shape::attention)).collect()
    }
}

impl Shape {
    fn new(op: &'static str, shape: &impl Serialize, subject: Subject, peers_know: bool) -> Result<Self, Error> {
        let shape = serde_json::to_value(shape).map_err(|error| Error::Shape(error.to_string()))?;
        Ok(Self { op, shape, subject, peers_know })
    }

    fn linear(shape: &LinearShape) -> Result<Self, Error> {
        let LinearShape { batch: rows, r#in: inputs, out: outputs } = *shape;
        let layer = Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs });
        Self::new("linear", shape, Subject::Layer(layer), true)
    }

    fn conv(shape: &ConvShape, op: &'static str) -> Result<Self, Error> {
        let ConvShape { batch, cin: inputs, cout: outputs, hw, k, stride, pad, dilation, groups } = *shape;
        let flat = op == "conv1d";
        let pair = |value: usize, across: usize| if flat { [across, value] } else { [value; 2] };
        let conv = Conv2d {
            batch,
            inputs,
            outputs,
            groups,
            size: pair(hw, 1),
            kernel: pair(k, 1),
            stride: pair(stride, 1),
            padding: pair(pad, 0),
            dilation: pair(dilation, 1),
            row_stride: inputs / groups.max(1) * if flat { k } else { k * k },
        };
        if !conv.is_sound() {
            return Err(Error::Shape(format!("{shape:?}")));
        }
        Self::new(op, shape, Subject::Layer(Layer::Conv2d(conv)), !flat && dilation == 1)
    }

    fn attention(shape: &AttentionShape) -> Result<Self, Error> {
        let AttentionShape { batch, heads, tokens, width, causal } = *shape;
        let scale = (width.max(1) as f32).sqrt().recip();
        let matrices = batch * heads;
        let attention = Attention { matrices, queries: tokens, tokens, width, features: width, scale, causal };
        Self::new("attention", shape, Subject::Attention(attention), false)
    }

    /// The words of the shape, without its keys' quotes.
    pub fn label(&self) -> String {
        let words = self.shape.as_object().into_iter().flatten().map(|(key, value)| format!("{key} {value}"));
        format!("{} {}", self.op, words.collect::<Vec<_>>().join(", "))
    }

    /// A file of this shape alone.
    pub fn file(&self) -> Value {
        let mut file = serde_json::json!({ "linear": [], "conv2d": [], "densities": [1.0] });
        file[self.op] = Value::Array(vec![self.shape.clone()]);
        file
    }
}
