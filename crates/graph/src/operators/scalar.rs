//! Functions of an element and a number.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// `scale * x + shift`, for every element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scalar {
    /// The factor.
    pub scale: f64,
    /// The summand.
    pub shift: f64,
}

impl Operator for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        self.shift == 0.0
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("scalar", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let axes = plain(inputs[0].rank());
        Axes::new(vec![axes.clone()], vec![axes])
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("scalar", inputs)?;
        let mut y = x.clone();
        for v in y.data_mut() {
            *v = (self.scale * f64::from(*v) + self.shift) as f32;
        }
        Ok(vec![y])
    }
}
