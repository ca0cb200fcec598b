//! Logarithm of a softmax over an axis.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `x - ln sum e^x` over one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogSoftmax {
    /// The axis.
    pub axis: usize,
}

impl Operator for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("log_softmax", inputs)?;
        ensure(self.axis < x.rank(), "log_softmax", || format!("axis {} of {x}", self.axis))?;
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
        let [x] = take("log_softmax", inputs)?;
        Ok(vec![x.map_lanes(self.axis, x.shape()[self.axis], |x, y| {
            let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log = x.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x - top - log);
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, LogSoftmax, Operator};

    #[test]
    fn equal_elements_share_equally_and_large_ones_do_not_overflow() {
        let x = Array::new(vec![2, 2], vec![1.0, 1.0, 1e4, 0.0]).unwrap();
        let y = LogSoftmax { axis: 1 }.eval(&[&x]).unwrap();
        assert_eq!(y[0].data(), [-(2.0_f32.ln()), -(2.0_f32.ln()), 0.0, -1e4]);
    }
}
