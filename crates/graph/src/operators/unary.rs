//! Functions of one element.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_2_PI, FRAC_2_SQRT_PI, PI, SQRT_2};

/// A function of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryFunction {
    /// `max(x, 0)`
    Relu,
    /// `x Φ(x)`, with the error function.
    Gelu,
    /// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`: Hendrycks & Gimpel (2016).
    GeluTanh,
    /// `x / (1 + e^-x)`
    Silu,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x max(0, min(1, x/6 + 1/2))`
    HardSwish,
    /// `x tanh(ln(1 + e^x))`
    Mish,
    /// `ln(1 + e^x)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// Hyperbolic tangent.
    Tanh,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// The error function.
    Erf,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `1 / x`
    Recip,
    /// The largest whole number that is not greater.
    Floor,
    /// The smallest whole number that is not less.
    Ceil,
    /// The nearest whole number, of two the even one.
    Round,
    /// -1, 0 or 1.
    Sign,
    /// 1 where x is 0, else 0.
    Not,
}

impl UnaryFunction {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Gelu => 0.5 * x * (1.0 + erf(x / SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3))).tanh()),
            Self::Silu => x * sigmoid(x),
            Self::Sigmoid => sigmoid(x),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Mish => x * softplus(x).tanh(),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Erf => erf(x),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Recip => 1.0 / x,
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign if x == 0.0 => 0.0,
            Self::Sign => x.signum(),
            Self::Not => f64::from(x == 0.0),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
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
        sum * FRAC_2_SQRT_PI
    } else {
        let fraction = (1..40).rev().fold(a, |f, n| a + f64::from(n) / 2.0 / f);
        1.0 - (-square).exp() / fraction / PI.sqrt()
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
            UnaryFunction::GeluTanh => "gelu_tanh",
            UnaryFunction::Silu => "silu",
            UnaryFunction::Sigmoid => "sigmoid",
            UnaryFunction::HardSwish => "hard_swish",
            UnaryFunction::Mish => "mish",
            UnaryFunction::Softplus => "softplus",
            UnaryFunction::Softsign => "softsign",
            UnaryFunction::Tanh => "tanh",
            UnaryFunction::Exp => "exp",
            UnaryFunction::Log => "log",
            UnaryFunction::Sqrt => "sqrt",
            UnaryFunction::Erf => "erf",
            UnaryFunction::Sin => "sin",
            UnaryFunction::Cos => "cos",
            UnaryFunction::Neg => "neg",
            UnaryFunction::Abs => "abs",
            UnaryFunction::Recip => "recip",
            UnaryFunction::Floor => "floor",
            UnaryFunction::Ceil => "ceil",
            UnaryFunction::Round => "round",
            UnaryFunction::Sign => "sign",
            UnaryFunction::Not => "not",
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
        let dtype = if self.function == UnaryFunction::Not { DType::Bool } else { x.dtype };
        Ok(vec![Fact { dtype, shape: x.shape.clone() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        Ok(vec![x.map(|v| self.function.of(v))])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Unary, UnaryFunction};

    fn of(function: UnaryFunction, x: [f32; 3]) -> Vec<f32> {
        let x = Array::new(vec![3], x.to_vec()).unwrap();
        Unary { function }.eval(&[&x]).unwrap()[0].data().to_vec()
    }

    #[test]
    fn piecewise_functions_at_their_joints() {
        assert_eq!(of(UnaryFunction::Relu, [-1.0, 0.0, 2.0]), [0.0, 0.0, 2.0]);
        assert_eq!(of(UnaryFunction::HardSwish, [-3.0, 0.0, 3.0]), [0.0, 0.0, 3.0]);
        assert_eq!(of(UnaryFunction::Round, [0.5, 1.5, -2.5]), [0.0, 2.0, -2.0]);
        assert_eq!(of(UnaryFunction::Sign, [-0.5, 0.0, 7.0]), [-1.0, 0.0, 1.0]);
        assert_eq!(of(UnaryFunction::Not, [0.0, 1.0, 0.0]), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn nothing_overflows_far_from_zero() {
        assert_eq!(of(UnaryFunction::Softplus, [-1e4, 1e4, 0.0])[..2], [0.0, 1e4]);
        assert_eq!(of(UnaryFunction::Sigmoid, [-1e4, 1e4, 0.0]), [0.0, 1.0, 0.5]);
        assert_eq!(of(UnaryFunction::Mish, [-1e4, 1e4, 0.0]), [0.0, 1e4, 0.0]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(of(UnaryFunction::Relu, [f32::NAN, 0.0, 0.0])[0].is_nan());
    }
}
