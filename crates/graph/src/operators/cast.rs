//! Elements of another type.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// The same elements in another type: to whole numbers by rounding towards zero, to truth values by whether they are not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cast {
    /// The type of the output.
    pub to: DType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("cast", inputs)?;
        Ok(vec![Fact { dtype: self.to, shape: x.shape.clone() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("cast", inputs)?;
        Ok(vec![match self.to {
            DType::F32 => x.clone(),
            DType::I64 => x.map(f64::trunc),
            DType::Bool => x.map(|v| f64::from(v != 0.0)),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Cast, DType, Operator};

    #[test]
    fn whole_numbers_and_truth_values() {
        let x = Array::new(vec![3], vec![-1.5, 0.0, 2.9]).unwrap();
        let to = |to| Cast { to }.eval(&[&x]).unwrap()[0].data().to_vec();
        assert_eq!(to(DType::I64), [-1.0, 0.0, 2.0]);
        assert_eq!(to(DType::Bool), [1.0, 0.0, 1.0]);
    }
}
