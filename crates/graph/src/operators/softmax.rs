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
        let axes = plain_with_bound(inputs[0].rank(), &[self.axis]);
        Axes::new(vec![axes.clone()], vec![axes])
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
        Ok(vec![Array::from_fn(x.shape(), |index| {
            let mut along = index.to_vec();
            let row: Vec<f64> = (0..x.shape()[self.axis])
                .map(|i| {
                    along[self.axis] = i;
                    f64::from(x.at(&along))
                })
                .collect();
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
            ((row[index[self.axis]] - top).exp() / sum) as f32
        })])
    }
}
