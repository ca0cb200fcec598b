//! Functions of two elements, with broadcasting.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::Result;
use crate::fact::{Dim, Fact};
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
}

/// Applies a function to every pair of elements; an axis of length one is repeated. Both operands have as many axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binary {
    /// The function.
    pub function: BinaryFunction,
}

fn joined(a: Dim, b: Dim) -> Option<Dim> {
    let one = Dim::Fixed(1);
    (a == b || b == one).then_some(a).or((a == one).then_some(b))
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self.function {
            BinaryFunction::Add => "add",
            BinaryFunction::Sub => "sub",
            BinaryFunction::Mul => "mul",
            BinaryFunction::Div => "div",
        }
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        matches!(self.function, BinaryFunction::Mul | BinaryFunction::Div)
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [a, b] = take(self.name(), inputs)?;
        let shape: Option<Vec<Dim>> = a.shape.iter().zip(&b.shape).map(|(&x, &y)| joined(x, y)).collect();
        ensure(a.rank() == b.rank() && shape.is_some(), self.name(), || format!("{a} does not fit {b}"))?;
        Ok(vec![Fact { dtype: a.dtype, shape: shape.unwrap_or_default() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let all = plain(inputs[0].rank());
        let operand = |fact: &Fact, other: &Fact| -> Vec<Axis> {
            let dims = fact.shape.iter().zip(&other.shape).zip(&all);
            dims.map(|((&dim, &peer), letter)| {
                if dim == Dim::Fixed(1) && peer != dim { Axis::One } else { letter.clone() }
            })
            .collect()
        };
        Axes::new(vec![operand(inputs[0], inputs[1]), operand(inputs[1], inputs[0])], vec![all.clone()])
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [a, b] = take(self.name(), inputs)?;
        let shape: Vec<usize> = a.shape().iter().zip(b.shape()).map(|(x, y)| if *x == 1 { *y } else { *x }).collect();
        Ok(vec![Array::from_fn(&shape, |index| {
            let (x, y) = (a.broadcast_at(index), b.broadcast_at(index));
            match self.function {
                BinaryFunction::Add => x + y,
                BinaryFunction::Sub => x - y,
                BinaryFunction::Mul => x * y,
                BinaryFunction::Div => x / y,
            }
        })])
    }
}
