//! Functions of two elements, with broadcasting.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::Axes;
use crate::broadcast;
use crate::error::Result;
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryFunction {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// `a / b` rounded towards zero: how whole numbers are divided.
    Quotient,
    /// What remains of `a / b`, with the sign of b.
    Modulo,
    /// `a` to the power of `b`.
    Pow,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
    /// `a` where it is not negative, else `a b`: a leaky ReLU whose slopes are trained (He et al., 2015).
    Prelu,
    /// Whether `a = b`.
    Equal,
    /// Whether `a < b`.
    Less,
    /// Whether `a ≤ b`.
    LessOrEqual,
    /// Whether `a > b`.
    Greater,
    /// Whether `a ≥ b`.
    GreaterOrEqual,
    /// Whether both are true.
    And,
    /// Whether one or both are true.
    Or,
    /// Whether one is true and the other is not.
    Xor,
}

impl BinaryFunction {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Quotient => (a / b).trunc(),
            Self::Modulo => a - b * (a / b).floor(),
            Self::Pow => a.powf(b),
            Self::Min if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Max => a.max(b),
            Self::Prelu => a * if a < 0.0 { b } else { 1.0 },
            Self::Equal => f64::from(a == b),
            Self::Less => f64::from(a < b),
            Self::LessOrEqual => f64::from(a <= b),
            Self::Greater => f64::from(a > b),
            Self::GreaterOrEqual => f64::from(a >= b),
            Self::And => f64::from(a != 0.0 && b != 0.0),
            Self::Or => f64::from(a != 0.0 || b != 0.0),
            Self::Xor => f64::from((a != 0.0) != (b != 0.0)),
        }
    }

    /// Whether the result is a truth value.
    pub fn is_predicate(self) -> bool {
        use BinaryFunction::{And, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Or, Xor};
        matches!(self, Equal | Less | LessOrEqual | Greater | GreaterOrEqual | And | Or | Xor)
    }
}

/// Applies a function to every pair of elements, with [broadcasting](crate::broadcast).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binary {
    /// The function.
    pub function: BinaryFunction,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self.function {
            BinaryFunction::Add => "add",
            BinaryFunction::Sub => "sub",
            BinaryFunction::Mul => "mul",
            BinaryFunction::Div => "div",
            BinaryFunction::Quotient => "quotient",
            BinaryFunction::Modulo => "modulo",
            BinaryFunction::Pow => "pow",
            BinaryFunction::Min => "min",
            BinaryFunction::Max => "max",
            BinaryFunction::Prelu => "prelu",
            BinaryFunction::Equal => "equal",
            BinaryFunction::Less => "less",
            BinaryFunction::LessOrEqual => "less_or_equal",
            BinaryFunction::Greater => "greater",
            BinaryFunction::GreaterOrEqual => "greater_or_equal",
            BinaryFunction::And => "and",
            BinaryFunction::Or => "or",
            BinaryFunction::Xor => "xor",
        }
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        matches!(self.function, BinaryFunction::Mul | BinaryFunction::Div | BinaryFunction::And | BinaryFunction::Prelu)
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [a, b] = take(self.name(), inputs)?;
        let shape = broadcast::shape(inputs);
        ensure(shape.is_some(), self.name(), || format!("{a} does not fit {b}"))?;
        let dtype = if self.function.is_predicate() { DType::Bool } else { a.dtype };
        Ok(vec![Fact { dtype, shape: shape.unwrap_or_default() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        broadcast::axes(inputs)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [a, b] = take(self.name(), inputs)?;
        let of = |x: f32, y: f32| self.function.of(x.into(), y.into()) as f32;
        if a.shape() == b.shape() {
            let data = a.data().iter().zip(b.data()).map(|(&x, &y)| of(x, y)).collect();
            return Ok(vec![Array::new(a.shape().to_vec(), data)?]);
        }
        let shape = broadcast::lengths(&[a.shape(), b.shape()]);
        Ok(vec![Array::from_fn(&shape, |index| of(a.broadcast_at(index), b.broadcast_at(index)))])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Binary, BinaryFunction, Operator};

    fn of(function: BinaryFunction, a: &Array, b: &Array) -> Array {
        Binary { function }.eval(&[a, b]).unwrap().remove(0)
    }

    #[test]
    fn a_row_meets_a_column() {
        let row = Array::new(vec![3], vec![1.0, 2.0, 3.0]).unwrap();
        let column = Array::new(vec![2, 1], vec![10.0, 20.0]).unwrap();
        let sum = of(BinaryFunction::Add, &row, &column);
        assert_eq!((sum.shape(), sum.data()), (&[2, 3][..], &[11.0, 12.0, 13.0, 21.0, 22.0, 23.0][..]));
    }

    #[test]
    fn whole_numbers_are_divided_towards_zero() {
        let (a, b) = (Array::new(vec![2], vec![7.0, -7.0]).unwrap(), Array::full(&[], 2.0));
        assert_eq!(of(BinaryFunction::Quotient, &a, &b).data(), [3.0, -3.0]);
        assert_eq!(of(BinaryFunction::Modulo, &a, &b).data(), [1.0, 1.0]);
    }

    #[test]
    fn slopes_apply_below_zero_only() {
        let (x, slope) = (Array::new(vec![2, 2], vec![-2.0, 3.0, 4.0, -1.0]).unwrap(), Array::full(&[2, 1], 0.5));
        assert_eq!(of(BinaryFunction::Prelu, &x, &slope).data(), [-1.0, 3.0, 4.0, -0.5]);
    }
}
