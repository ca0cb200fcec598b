//! A ReLU that is not flat below zero.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// `x` where it is not negative, else `slope * x`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakyRelu {
    /// The slope below zero.
    pub slope: f64,
}

impl Operator for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("leaky_relu", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("leaky_relu", inputs)?;
        Ok(vec![x.map(|v| if v < 0.0 { self.slope * v } else { v })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, LeakyRelu, Operator};

    #[test]
    fn negative_elements_shrink() {
        let x = Array::new(vec![3], vec![-2.0, 0.0, 2.0]).unwrap();
        assert_eq!(LeakyRelu { slope: 0.25 }.eval(&[&x]).unwrap()[0].data(), [-0.5, 0.0, 2.0]);
    }
}
