//! The operators, one file each.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

macro_rules! operators {
    ($($module:ident :: $name:ident),* $(,)?) => {
        $(mod $module; pub use $module::$name;)*

        /// Every operator that Supple knows.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        impl Op {
            fn as_dyn(&self) -> &dyn Operator {
                match self { $(Self::$name(op) => op),* }
            }

            fn as_dyn_mut(&mut self) -> &mut dyn Operator {
                match self { $(Self::$name(op) => op),* }
            }
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self {
                Self::$name(op)
            }
        })*
    };
}

operators! {
    input::Input,
    parameter::Parameter,
    constant::Constant,
    linear::Linear,
    matmul::Matmul,
    conv::Conv,
    conv_transpose::ConvTranspose,
    gemm::Gemm,
    attention::Attention,
    pool::Pool,
    adaptive_pool::AdaptivePool,
    unary::Unary,
    binary::Binary,
    scalar::Scalar,
    leaky_relu::LeakyRelu,
    elu::Elu,
    hard_sigmoid::HardSigmoid,
    clip::Clip,
    dropout::Dropout,
    softmax::Softmax,
    log_softmax::LogSoftmax,
    batch_norm::BatchNorm,
    layer_norm::LayerNorm,
    group_norm::GroupNorm,
    instance_norm::InstanceNorm,
    rms_norm::RmsNorm,
    reduce::Reduce,
    reshape::Reshape,
    permute::Permute,
    concat::Concat,
    split::Split,
    slice::Slice,
    pad::Pad,
    expand::Expand,
    gather::Gather,
    embedding::Embedding,
    r#where::Where,
    cast::Cast,
    arg_max::ArgMax,
    top_k::TopK,
    keep::Keep,
    resize::Resize,
    lstm::Lstm,
    gru::Gru,
    cross_entropy::CrossEntropy,
    mean_square::MeanSquare,
    sgd::Sgd,
    adam::Adam,
    backward::Backward,
    then::Then,
    opaque::Opaque,
}

pub use binary::BinaryFunction;
pub use pad::Border;
pub use pool::PoolFunction;
pub use reduce::Reduction;
pub use resize::{Coordinates, Interpolation};
pub use slice::Cut;
pub use unary::UnaryFunction;

impl Op {
    /// The axis of its output, of `rank` axes, that counts a layer's outputs: the channels of a convolution, else the last.
    pub fn output_axis(&self, rank: usize) -> usize {
        let channels = matches!(self, Self::Conv(_) | Self::ConvTranspose(_));
        if channels { 1 } else { rank.saturating_sub(1) }
    }
}

impl Operator for Op {
    fn name(&self) -> &'static str {
        self.as_dyn().name()
    }
    fn family(&self) -> Family {
        self.as_dyn().family()
    }
    fn keeps_zero(&self) -> bool {
        self.as_dyn().keeps_zero()
    }
    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        self.as_dyn().infer(inputs)
    }
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        self.as_dyn().axes(inputs)
    }
    fn bound_because(&self) -> &'static str {
        self.as_dyn().bound_because()
    }
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        self.as_dyn().work(inputs, outputs, phase)
    }
    fn shrink(&mut self, inputs: &[Extent], outputs: &[Extent]) {
        self.as_dyn_mut().shrink(inputs, outputs);
    }
    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        self.as_dyn().eval(inputs)
    }
    fn eval_at(&self, inputs: &[&Array], samples: usize) -> Result<Vec<Array>> {
        self.as_dyn().eval_at(inputs, samples)
    }
    fn backward(&self, inputs: &[&Array], gradient: &Array, input: usize) -> Result<Array> {
        self.as_dyn().backward(inputs, gradient, input)
    }
}

/// Exactly `N` inputs.
fn take<'a, T: ?Sized, const N: usize>(op: &str, inputs: &[&'a T]) -> Result<[&'a T; N]> {
    inputs.try_into().map_err(|_| Error::new(op, format!("{} inputs, expected {N}", inputs.len())))
}

/// An error of `op` unless `ok`.
fn ensure(ok: bool, op: &str, what: impl FnOnce() -> String) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::new(op, what())) }
}

/// Shifts and scales a row to mean 0 and variance 1.
fn normalise(row: &mut [f32], epsilon: f64) {
    let count = row.len() as f64;
    let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance + epsilon).sqrt();
    row.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * scale) as f32);
}
