//! Cross-entropy of logits and classes.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::{Error, Result};
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The mean over all rows of `ln sum e^x - x[class]`: logits `[.., classes]`, whole numbers `[..]` that name the classes, and a single number out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossEntropy {}

impl Operator for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn family(&self) -> Family {
        Family::Loss
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, classes] = take("cross_entropy", inputs)?;
        let fits = x.rank() >= 1 && classes.dtype == DType::I64 && x.shape[..x.rank() - 1] == classes.shape[..];
        ensure(fits, "cross_entropy", || format!("classes {classes} do not fit logits {x}"))?;
        Ok(vec![Fact { dtype: x.dtype, shape: Vec::new() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = plain_with_bound(rank, &(0..rank).collect::<Vec<_>>());
        Axes::new(vec![x.clone(), x[..rank - 1].to_vec()], vec![Vec::new()])
    }

    fn bound_because(&self) -> &'static str {
        "compared with targets"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                Work { flops: 5.0 * inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) }
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, classes] = take("cross_entropy", inputs)?;
        let width = x.shape()[x.shape().len() - 1];
        let mut sum = 0.0;
        for (row, &class) in x.data().chunks(width.max(1)).zip(classes.data()) {
            if !(0.0..width as f32).contains(&class) {
                return Err(Error::new("cross_entropy", format!("class {class}, expected 0 to {}", width.saturating_sub(1))));
            }
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f64 = row.iter().map(|&v| f64::from(v - top).exp()).sum();
            sum += total.ln() - f64::from(row[class as usize] - top);
        }
        Ok(vec![Array::full(&[], (sum / classes.data().len() as f64) as f32)])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, CrossEntropy, Operator};

    #[test]
    fn a_coin_and_a_certainty() {
        let x = Array::new(vec![2, 2], vec![0.0, 0.0, 1e4, 0.0]).unwrap();
        let loss = |classes: [f32; 2]| {
            CrossEntropy {}.eval(&[&x, &Array::new(vec![2], classes.to_vec()).unwrap()]).map(|y| y[0].data()[0])
        };
        assert!((loss([1.0, 0.0]).unwrap() - 0.5 * 2.0_f32.ln()).abs() < 1e-6);
        assert!(loss([0.0, 2.0]).is_err());
    }
}
