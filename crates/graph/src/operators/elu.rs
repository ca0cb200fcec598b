//! The exponential linear unit.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// `x` where it is not negative, else `alpha (e^(x / width) - 1)`, times `scale`: ELU (Clevert et al., 2016), CELU and SELU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elu {
    /// Depth of the plateau below zero.
    pub alpha: f64,
    /// What x is divided by below zero: 1 but for CELU, where it is alpha.
    pub width: f64,
    /// Factor of the result: 1 but for SELU.
    pub scale: f64,
}

impl Operator for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("elu", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("elu", inputs)?;
        Ok(vec![x.map(|v| self.scale * if v < 0.0 { self.alpha * (v / self.width).exp_m1() } else { v })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Elu, Operator};

    #[test]
    fn the_plateau_is_reached() {
        let x = Array::new(vec![3], vec![-1e3, 0.0, 2.0]).unwrap();
        let y = Elu { alpha: 0.5, width: 1.0, scale: 2.0 }.eval(&[&x]).unwrap();
        assert_eq!(y[0].data(), [-1.0, 0.0, 4.0]);
    }
}
