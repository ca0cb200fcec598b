//! Where the largest or smallest element of an axis stands.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain_with_bound};
use crate::error::Result;
use crate::fact::{DType, Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The index of the largest element along an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArgMax {
    /// The axis.
    pub axis: usize,
    /// Whether the axis stays, with length one.
    pub keep: bool,
    /// Takes the smallest element instead.
    pub least: bool,
    /// Takes the last of equal elements, and not the first.
    pub last: bool,
}

impl ArgMax {
    fn of(&self, lane: &[f64]) -> usize {
        let mut best = 0;
        for (i, &v) in lane.iter().enumerate() {
            let better = if self.least { v < lane[best] } else { v > lane[best] };
            if better || (self.last && v == lane[best]) {
                best = i;
            }
        }
        best
    }
}

impl Operator for ArgMax {
    fn name(&self) -> &'static str {
        if self.least { "arg_min" } else { "arg_max" }
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        let fits = self.axis < x.rank() && x.shape[self.axis].count() > 0;
        ensure(fits, self.name(), || format!("axis {} of {x}", self.axis))?;
        let mut shape = x.shape.clone();
        shape[self.axis] = Dim::Fixed(1);
        if !self.keep {
            shape.remove(self.axis);
        }
        Ok(vec![Fact { dtype: DType::I64, shape }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let x = plain_with_bound(inputs[0].rank(), &[self.axis]);
        let mut y = x.clone();
        if self.keep {
            y[self.axis] = Axis::One;
        } else {
            y.remove(self.axis);
        }
        Axes::new(vec![x], vec![y])
    }

    fn bound_because(&self) -> &'static str {
        "takes an extreme of the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward => Work { flops: inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) },
            _ => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let kept = x.map_lanes(self.axis, 1, |x, y| y[0] = self.of(x) as f64);
        let mut shape = kept.shape().to_vec();
        if !self.keep {
            shape.remove(self.axis);
        }
        Ok(vec![kept.reshaped(&shape)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, ArgMax, Operator};

    #[test]
    fn the_first_or_the_last_of_equals() {
        let x = Array::new(vec![2, 3], vec![1.0, 5.0, 5.0, 2.0, 2.0, 3.0]).unwrap();
        let of = |least, last| ArgMax { axis: 1, keep: false, least, last }.eval(&[&x]).unwrap()[0].data().to_vec();
        assert_eq!(of(false, false), [1.0, 2.0]);
        assert_eq!(of(false, true), [2.0, 2.0]);
        assert_eq!(of(true, true), [0.0, 1.0]);
    }
}
