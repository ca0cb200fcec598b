//! Elements at indices.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// Slices of a tensor at indices along an axis: the axes of the indices take that axis' place. Negative indices count from the end. Where the
/// indices are known beforehand, [`Slice`](super::Slice) and [`Split`](super::Split) say more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, at] = take("gather", inputs)?;
        let fits = self.axis < x.rank() && at.dtype == DType::I64;
        ensure(fits, "gather", || format!("axis {} of {x} at {at}", self.axis))?;
        let mut shape = x.shape.clone();
        shape.splice(self.axis..=self.axis, at.shape.iter().copied());
        Ok(vec![Fact { dtype: x.dtype, shape }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let mut x = plain(inputs[0].rank());
        let at: Vec<Axis> = (0..inputs[1].rank()).map(|axis| Axis::free((x.len() + axis) as u16)).collect();
        let mut y = x.clone();
        y.splice(self.axis..=self.axis, at.iter().cloned());
        x[self.axis] = Axis::bound(self.axis as u16);
        Axes::new(vec![x, at], vec![y])
    }

    fn bound_because(&self) -> &'static str {
        "indexed by values"
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, at] = take("gather", inputs)?;
        let length = x.shape()[self.axis] as f32;
        let wrap = |index: f32| if index < 0.0 { index + length } else { index };
        if let Some(index) = at.data().iter().find(|&&index| !(0.0..length).contains(&wrap(index))) {
            return Err(Error::new("gather", format!("index {index}, expected less than {length}")));
        }
        let mut shape = x.shape().to_vec();
        shape.splice(self.axis..=self.axis, at.shape().iter().copied());
        Ok(vec![Array::from_fn(&shape, |index| {
            let (lead, rest) = index.split_at(self.axis);
            let (inner, tail) = rest.split_at(at.shape().len());
            x.at(&[lead, &[wrap(at.at(inner)) as usize], tail].concat())
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Gather, Operator};

    #[test]
    fn negative_indices_count_from_the_end() {
        let x = Array::new(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let at = Array::new(vec![], vec![-1.0]).unwrap();
        let y = Gather { axis: 1 }.eval(&[&x, &at]).unwrap();
        assert_eq!((y[0].shape(), y[0].data()), (&[2][..], &[2.0, 4.0][..]));
    }
}
