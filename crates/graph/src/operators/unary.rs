//! Functions of one element.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryFunction {
    /// `max(x, 0)`
    Relu,
    /// `x Φ(x)`, with the error function.
    Gelu,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `-x`
    Neg,
    /// `1 / x`
    Recip,
}

impl UnaryFunction {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Neg => -x,
            Self::Recip => 1.0 / x,
        }
    }
}

/// The error function by its Taylor series (|x| < 3) and its continued fraction, Abramowitz and Stegun 7.1.5 and 7.1.14; error below 1e-9.
fn erf(x: f64) -> f64 {
    let (a, square) = (x.abs(), x * x);
    let value = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..60 {
            term *= -square / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..40).rev().fold(a, |f, n| a + f64::from(n) / 2.0 / f);
        1.0 - (-square).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    value.copysign(x)
}

/// Applies a function to every element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unary {
    /// The function.
    pub function: UnaryFunction,
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        match self.function {
            UnaryFunction::Relu => "relu",
            UnaryFunction::Gelu => "gelu",
            UnaryFunction::Sigmoid => "sigmoid",
            UnaryFunction::Tanh => "tanh",
            UnaryFunction::Exp => "exp",
            UnaryFunction::Log => "log",
            UnaryFunction::Sqrt => "sqrt",
            UnaryFunction::Neg => "neg",
            UnaryFunction::Recip => "recip",
        }
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        self.function.of(0.0) == 0.0
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let axes = plain(inputs[0].rank());
        Axes::new(vec![axes.clone()], vec![axes])
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let mut y = x.clone();
        for v in y.data_mut() {
            *v = self.function.of(f64::from(*v)) as f32;
        }
        Ok(vec![y])
    }
}
