//! Mean square of differences.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The mean of `(x - target)²` over all elements: two inputs of the same shape, and a single number out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanSquare {}

impl Operator for MeanSquare {
    fn name(&self) -> &'static str {
        "mean_square"
    }

    fn family(&self) -> Family {
        Family::Loss
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, target] = take("mean_square", inputs)?;
        ensure(x.shape == target.shape, "mean_square", || format!("targets {target} do not fit {x}"))?;
        Ok(vec![Fact { dtype: x.dtype, shape: Vec::new() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = plain_with_bound(rank, &(0..rank).collect::<Vec<_>>());
        Axes::new(vec![x.clone(), x], vec![Vec::new()])
    }

    fn bound_because(&self) -> &'static str {
        "compared with targets"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                Work { flops: 3.0 * inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) }
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, target] = take("mean_square", inputs)?;
        let squares = x.data().iter().zip(target.data()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        Ok(vec![Array::full(&[], (squares.sum::<f64>() / x.data().len() as f64) as f32)])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, MeanSquare, Operator};

    #[test]
    fn differences_of_one_and_three() {
        let (x, target) = (Array::new(vec![2], vec![1.0, 2.0]).unwrap(), Array::new(vec![2], vec![0.0, 5.0]).unwrap());
        assert_eq!(MeanSquare {}.eval(&[&x, &target]).unwrap(), [Array::full(&[], 5.0)]);
    }
}
