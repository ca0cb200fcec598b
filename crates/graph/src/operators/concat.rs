//! Tensors one after the other.
use super::ensure;
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Puts tensors one after the other along an axis; all other axes are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [first, ..] = inputs else { return Err(Error::new("concat", "no inputs")) };
        ensure(self.axis < first.rank(), "concat", || format!("axis {} of {first}", self.axis))?;
        let mut length = 0usize;
        for fact in inputs {
            let others = |fact: &Fact| {
                let mut shape = fact.shape.clone();
                (self.axis < shape.len()).then(|| shape.remove(self.axis));
                shape
            };
            let same_sort = || fact.shape[self.axis].is_batch() == first.shape[self.axis].is_batch();
            let fits = fact.rank() == first.rank() && others(fact) == others(first) && same_sort();
            ensure(fits && fact.dtype == first.dtype, "concat", || format!("{fact} does not fit {first}"))?;
            length = length.saturating_add(fact.shape[self.axis].count());
        }
        let mut y = (*first).clone();
        y.shape[self.axis] = y.shape[self.axis].with_count(length);
        Ok(vec![y])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        if inputs[0].shape[self.axis].is_batch() || inputs.len() > usize::from(u16::MAX) - rank {
            return Axes::opaque();
        }
        let part = |at: usize| Axis::free((rank + at) as u16);
        let operand = |axis: Axis| {
            let mut axes = plain(rank);
            axes[self.axis] = axis;
            axes
        };
        let x = (0..inputs.len()).map(|at| operand(part(at))).collect();
        Axes::new(x, vec![operand(Axis::chain((0..inputs.len()).map(part)))])
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [first, ..] = inputs else { return Err(Error::new("concat", "no inputs")) };
        let mut shape = first.shape().to_vec();
        shape[self.axis] = inputs.iter().map(|array| array.shape()[self.axis]).sum();
        let outer: usize = shape[..self.axis].iter().product();
        let mut data = Vec::with_capacity(shape.iter().product());
        for at in 0..outer {
            for array in inputs {
                let row: usize = array.shape()[self.axis..].iter().product();
                let found = array.data().get(at * row..(at + 1) * row);
                let found = found.ok_or_else(|| Error::new("concat", format!("{:?} in {shape:?}", array.shape())))?;
                data.extend_from_slice(found);
            }
        }
        Ok(vec![Array::new(shape, data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Concat, Operator};
    use crate::fact::Fact;

    #[test]
    fn rows_stand_side_by_side() {
        let a = Array::new(vec![2, 1], vec![1.0, 2.0]).unwrap();
        let b = Array::new(vec![2, 2], vec![3.0, 4.0, 5.0, 6.0]).unwrap();
        let op = Concat { axis: 1 };
        assert_eq!(op.eval(&[&a, &b]).unwrap()[0].data(), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
        assert_eq!(op.axes(&[&Fact::fixed(&[2, 1]), &Fact::fixed(&[2, 2])]).to_string(), "ac,ad->a{cd}");
    }
}
