//! A tensor repeated along its axes of length one.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Repeats a tensor along its axes of length one, and along new axes before its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expand {
    /// The shape of the output.
    pub to: Vec<Dim>,
}

impl Operator for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("expand", inputs)?;
        let repeats = |(&dim, &to): (&Dim, &Dim)| dim == to || dim == Dim::Fixed(1);
        let lead = self.to.len().checked_sub(x.rank());
        let fits = lead.is_some_and(|lead| x.shape.iter().zip(&self.to[lead..]).all(repeats));
        let y = Fact { dtype: x.dtype, shape: self.to.clone() };
        ensure(fits, "expand", || format!("{x} does not fit {y}"))?;
        Ok(vec![y])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let y = plain(self.to.len());
        let lead = y.len() - inputs[0].rank();
        let axis = |(&dim, at): (&Dim, usize)| if dim == self.to[at] { y[at].clone() } else { Axis::One };
        Axes::new(vec![inputs[0].shape.iter().zip(lead..).map(axis).collect()], vec![y.clone()])
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, _inputs: &[Extent], outputs: &[Extent]) {
        self.to.clone_from(&outputs[0].left.shape);
    }

    /// The batch is what an input axis of its length has, and one sample where none has it.
    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("expand", inputs)?;
        let lead = self.to.len().checked_sub(x.shape().len());
        let lead = lead.ok_or_else(|| Error::new("expand", "more axes than the output has"))?;
        let shape: Vec<usize> = (0..self.to.len())
            .map(|at| match at.checked_sub(lead).map(|axis| x.shape()[axis]) {
                Some(length) if length != 1 => length,
                _ => self.to[at].count(),
            })
            .collect();
        Ok(vec![Array::from_fn(&shape, |index| x.broadcast_at(index))])
    }

    fn eval_at(&self, inputs: &[&Array], samples: usize) -> Result<Vec<Array>> {
        let to = self.to.iter().map(|dim| Dim::Fixed(dim.at(samples))).collect();
        Self { to }.eval(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Dim, Expand, Operator};
    use crate::fact::Fact;

    #[test]
    fn rows_are_repeated() {
        let x = Array::new(vec![1, 2], vec![1.0, 2.0]).unwrap();
        let op = Expand { to: vec![Dim::Fixed(2), Dim::Fixed(2), Dim::Fixed(2)] };
        assert_eq!(op.eval(&[&x]).unwrap()[0].data(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        assert_eq!(op.axes(&[&Fact::fixed(&[1, 2])]).to_string(), "1c->abc");
        let op = Expand { to: vec![Dim::Batch(2), Dim::Fixed(2)] };
        assert_eq!(op.eval_at(&[&x], 3).unwrap()[0].shape(), [6, 2]);
    }
}
