//! The operators, one file each.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::Operator;
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
    conv2d::Conv2d,
    max_pool2d::MaxPool2d,
    unary::Unary,
    binary::Binary,
    scalar::Scalar,
    softmax::Softmax,
    layer_norm::LayerNorm,
    reduce::Reduce,
    reshape::Reshape,
    permute::Permute,
    embedding::Embedding,
}

pub use binary::BinaryFunction;
pub use reduce::Reduction;
pub use unary::UnaryFunction;

impl Operator for Op {
    fn name(&self) -> &'static str {
        self.as_dyn().name()
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
    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        self.as_dyn().eval(inputs)
    }
}

impl Op {
    /// The same operator for outputs of other lengths: only an operator that states its output's shape changes.
    #[must_use]
    pub fn resized(&self, output: &Fact) -> Self {
        match self {
            Self::Reshape(_) => Reshape { to: output.shape.clone() }.into(),
            Self::Input(_) => Input { fact: output.clone() }.into(),
            Self::Parameter(_) => Parameter { fact: output.clone() }.into(),
            Self::Constant(constant) => {
                Constant { value: constant.value.prefix(&output.shape_at(1)), dtype: constant.dtype }.into()
            }
            other => other.clone(),
        }
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
