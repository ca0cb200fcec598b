//! A sigmoid of three straight lines.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// `max(0, min(1, alpha x + beta))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HardSigmoid {
    /// The slope.
    pub alpha: f64,
    /// The value at zero.
    pub beta: f64,
}

impl Operator for HardSigmoid {
    fn name(&self) -> &'static str {
        "hard_sigmoid"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        self.beta <= 0.0
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("hard_sigmoid", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("hard_sigmoid", inputs)?;
        Ok(vec![x.map(|v| (self.alpha * v + self.beta).clamp(0.0, 1.0))])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, HardSigmoid, Operator};

    #[test]
    fn both_ends_are_flat() {
        let x = Array::new(vec![4], vec![-4.0, 0.0, 1.0, 4.0]).unwrap();
        assert_eq!(HardSigmoid { alpha: 0.25, beta: 0.5 }.eval(&[&x]).unwrap()[0].data(), [0.0, 0.5, 0.75, 1.0]);
    }
}
