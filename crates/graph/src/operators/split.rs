//! A tensor in parts.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::Result;
use crate::extent::{Extent, Kept};
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Takes an axis apart, one output for each part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The axis.
    pub axis: usize,
    /// Lengths of the parts, which make up the axis.
    pub lengths: Vec<usize>,
}

impl Operator for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("split", inputs)?;
        let total = self.lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
        let fits = x.shape.get(self.axis).is_some_and(|dim| !dim.is_batch() && Some(dim.count()) == total);
        ensure(fits, "split", || format!("parts {:?} of axis {} of {x}", self.lengths, self.axis))?;
        let part = |&length: &usize| {
            let mut fact = x.clone();
            fact.shape[self.axis] = fact.shape[self.axis].with_count(length);
            fact
        };
        Ok(self.lengths.iter().map(part).collect())
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        if self.lengths.len() > usize::from(u16::MAX) - rank {
            return Axes::opaque();
        }
        let part = |at: usize| Axis::free((rank + at) as u16);
        let operand = |axis: Axis| {
            let mut axes = plain(rank);
            axes[self.axis] = axis;
            axes
        };
        let count = self.lengths.len();
        Axes::new(vec![operand(Axis::chain((0..count).map(part)))], (0..count).map(|at| operand(part(at))).collect())
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, _inputs: &[Extent], outputs: &[Extent]) {
        self.lengths = outputs.iter().map(|part| part.left.shape[self.axis].count()).collect();
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("split", inputs)?;
        let mut kept: Vec<Kept> = x.shape().iter().map(|&length| Kept::all(length)).collect();
        let mut start = 0;
        let part = |&length: &usize| {
            kept[self.axis] = Kept::range(start..start + length);
            start += length;
            x.select(&kept)
        };
        Ok(self.lengths.iter().map(part).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Split};
    use crate::fact::Fact;

    #[test]
    fn parts_make_up_the_axis() {
        let x = Array::new(vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let op = Split { axis: 1, lengths: vec![1, 2] };
        let parts = op.eval(&[&x]).unwrap();
        assert_eq!((parts[0].data(), parts[1].data()), (&[1.0, 4.0][..], &[2.0, 3.0, 5.0, 6.0][..]));
        assert_eq!(op.axes(&[&Fact::fixed(&[2, 3])]).to_string(), "a{cd}->ac,ad");
        assert!(Split { axis: 1, lengths: vec![1, 1] }.infer(&[&Fact::fixed(&[2, 3])]).is_err());
    }
}
