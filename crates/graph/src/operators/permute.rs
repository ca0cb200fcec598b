//! Axes in another order.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Output axis `i` is input axis `order[i]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Permute {
    /// A permutation of the axes.
    pub order: Vec<usize>,
}

impl Operator for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("permute", inputs)?;
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        ensure(sorted.iter().copied().eq(0..x.rank()), "permute", || format!("order {:?} of {x}", self.order))?;
        Ok(vec![Fact { dtype: x.dtype, shape: self.order.iter().map(|&axis| x.shape[axis]).collect() }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let x = plain(inputs[0].rank());
        let y = self.order.iter().map(|&axis| x[axis].clone()).collect();
        Axes::new(vec![x], vec![y])
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("permute", inputs)?;
        let shape: Vec<usize> = self.order.iter().map(|&axis| x.shape()[axis]).collect();
        let mut from = vec![0; shape.len()];
        Ok(vec![Array::from_fn(&shape, |index| {
            for (&axis, &i) in self.order.iter().zip(index) {
                from[axis] = i;
            }
            x.at(&from)
        })])
    }
}
