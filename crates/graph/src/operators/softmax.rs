//! Softmax over an axis.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `e^x / sum e^x` over one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("softmax", inputs)?;
        ensure(self.axis < x.rank(), "softmax", || format!("axis {} of {x}", self.axis))?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        Axes::same(plain_with_bound(inputs[0].rank(), &[self.axis]))
    }

    fn bound_because(&self) -> &'static str {
        "softmax over the axis: zero is not absence"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, 5.0),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("softmax", inputs)?;
        Ok(vec![x.map_lanes(self.axis, x.shape()[self.axis], |x, y| {
            let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = x.iter().map(|v| (v - top).exp()).sum();
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - top).exp() / sum);
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Softmax};

    #[test]
    fn parts_of_each_column_make_a_whole() {
        let x = Array::new(vec![2, 2], vec![0.0, 3.0_f32.ln(), 0.0, 0.0]).unwrap();
        let y = Softmax { axis: 0 }.eval(&[&x]).unwrap();
        assert!(y[0].distance(&Array::new(vec![2, 2], vec![0.5, 0.75, 0.5, 0.25]).unwrap()) < 1e-7);
    }
}
