//! One of two elements.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::Axes;
use crate::broadcast;
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// The second input where the first is true, else the third, with [broadcasting](crate::broadcast).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Where {}

impl Operator for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [condition, a, b] = take("where", inputs)?;
        let shape = broadcast::shape(inputs).filter(|_| a.dtype == b.dtype);
        ensure(shape.is_some(), "where", || format!("condition {condition}, {a} and {b} do not fit each other"))?;
        Ok(vec![Fact { dtype: a.dtype, shape: shape.unwrap_or_default() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        broadcast::axes(inputs)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [condition, a, b] = take("where", inputs)?;
        let shape = broadcast::lengths(&[condition.shape(), a.shape(), b.shape()]);
        let of = |at: &[usize]| if condition.broadcast_at(at) != 0.0 { a.broadcast_at(at) } else { b.broadcast_at(at) };
        Ok(vec![Array::from_fn(&shape, of)])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Where};

    #[test]
    fn the_condition_is_repeated_too() {
        let condition = Array::new(vec![2, 1], vec![1.0, 0.0]).unwrap();
        let (a, b) = (Array::new(vec![2], vec![1.0, 2.0]).unwrap(), Array::full(&[], 9.0));
        let y = Where {}.eval(&[&condition, &a, &b]).unwrap();
        assert_eq!(y[0], Array::new(vec![2, 2], vec![1.0, 2.0, 9.0, 9.0]).unwrap());
    }
}
