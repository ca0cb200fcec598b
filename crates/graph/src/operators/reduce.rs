//! Sum or mean over an axis, which stays with length one.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain, plain_with_bound};
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// How elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
}

/// Reduces one axis to length one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduce {
    /// How.
    pub reduction: Reduction,
    /// The axis.
    pub axis: usize,
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
        }
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        ensure(self.axis < x.rank(), self.name(), || format!("axis {} of {x}", self.axis))?;
        let mut y = x.clone();
        y.shape[self.axis] = Dim::Fixed(1);
        Ok(vec![y])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = match self.reduction {
            Reduction::Sum => plain(rank),
            Reduction::Mean => plain_with_bound(rank, &[self.axis]),
        };
        let mut y = x.clone();
        y[self.axis] = Axis::One;
        Axes::new(vec![x], vec![y])
    }

    fn bound_because(&self) -> &'static str {
        "averages over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                Work { flops: inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) }
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let length = x.shape()[self.axis];
        let mut shape = x.shape().to_vec();
        shape[self.axis] = 1;
        Ok(vec![Array::from_fn(&shape, |index| {
            let mut along = index.to_vec();
            let mut sum = 0.0;
            for i in 0..length {
                along[self.axis] = i;
                sum += f64::from(x.at(&along));
            }
            let mean = matches!(self.reduction, Reduction::Mean);
            (if mean { sum / length as f64 } else { sum }) as f32
        })])
    }
}
