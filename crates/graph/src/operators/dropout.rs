//! Elements left out at random while training.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// The identity: at inference nothing is left out. What a training step leaves out at random is drawn outside of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    /// The part left out while training.
    pub ratio: f64,
}

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("dropout", inputs)?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain(inputs[0].rank()))
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("dropout", inputs)?;
        Ok(vec![x.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Dropout, Operator};

    #[test]
    fn nothing_is_left_out() {
        let x = Array::new(vec![2], vec![-2.0, 3.0]).unwrap();
        assert_eq!(Dropout { ratio: 0.5 }.eval(&[&x]).unwrap(), [x]);
    }
}
