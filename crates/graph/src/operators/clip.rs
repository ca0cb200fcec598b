//! Elements held between two bounds.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// The nearest number between `low` and `high`; where they cross, `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// The lower bound; none is -∞.
    #[serde(default)]
    pub low: Option<f64>,
    /// The upper bound; none is ∞.
    #[serde(default)]
    pub high: Option<f64>,
}

impl Clip {
    fn of(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        x.max(self.low.unwrap_or(f64::NEG_INFINITY)).min(self.high.unwrap_or(f64::INFINITY))
    }
}

impl Operator for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        self.of(0.0) == 0.0
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("clip", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("clip", inputs)?;
        Ok(vec![x.map(|v| self.of(v))])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Clip, Operator};

    #[test]
    fn a_missing_bound_does_not_bind() {
        let x = Array::new(vec![3], vec![-2.0, 3.0, 8.0]).unwrap();
        let of = |low, high| Clip { low, high }.eval(&[&x]).unwrap()[0].data().to_vec();
        assert_eq!(of(Some(0.0), Some(6.0)), [0.0, 3.0, 6.0]);
        assert_eq!(of(None, Some(6.0)), [-2.0, 3.0, 6.0]);
        assert_eq!(of(Some(4.0), Some(1.0)), [1.0, 1.0, 1.0]);
    }
}
