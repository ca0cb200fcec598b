//! Two-dimensional maximum pooling.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Maximum over windows of `[batch, channel, h, w]`, without padding; what does not fill a window is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxPool2d {
    /// Window, rows and columns.
    pub kernel: [usize; 2],
    /// Step of the window, rows and columns.
    pub stride: [usize; 2],
}

impl MaxPool2d {
    fn reach(&self, axis: usize, length: usize) -> usize {
        length.checked_sub(self.kernel[axis]).map_or(0, |rest| rest / self.stride[axis].max(1) + 1)
    }
}

impl Operator for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn family(&self) -> Family {
        Family::Window
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("max_pool2d", inputs)?;
        ensure(x.rank() == 4, "max_pool2d", || format!("input {x}, expected 4 axes"))?;
        let side = |axis: usize| Dim::Fixed(self.reach(axis, x.shape[2 + axis].count()));
        Ok(vec![Fact::f32(vec![x.shape[0], x.shape[1], side(0), side(1)])])
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        Axes::of("ncHW->ncYX")
    }

    fn bound_because(&self) -> &'static str {
        "a window runs over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let window = (self.kernel[0] * self.kernel[1]) as f64;
        match phase {
            Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, window),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("max_pool2d", inputs)?;
        let s = x.shape();
        Ok(vec![Array::from_fn(&[s[0], s[1], self.reach(0, s[2]), self.reach(1, s[3])], |at| {
            let mut best = f32::NEG_INFINITY;
            for k in 0..self.kernel[0] {
                for l in 0..self.kernel[1] {
                    best = best.max(x.at(&[at[0], at[1], at[2] * self.stride[0] + k, at[3] * self.stride[1] + l]));
                }
            }
            best
        })])
    }
}
