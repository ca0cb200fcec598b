//! A part of a tensor.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::Result;
use crate::extent::Extent;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Which elements of an axis are taken: every `step`-th from `start`, as long as they lie before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cut {
    /// The axis.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// The first element that is not taken any more.
    pub end: usize,
    /// Distance between the elements.
    pub step: usize,
}

impl Cut {
    fn length(&self) -> usize {
        (self.end - self.start).div_ceil(self.step)
    }

    fn fits(&self, length: usize) -> bool {
        self.start <= self.end && self.end <= length && self.step > 0
    }
}

/// Takes a part of some axes, each of them at most once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The parts.
    pub cuts: Vec<Cut>,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn family(&self) -> Family {
        Family::Movement
    }


    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("slice", inputs)?;
        let mut y = x.clone();
        for (at, cut) in self.cuts.iter().enumerate() {
            let once = self.cuts[..at].iter().all(|other| other.axis != cut.axis);
            let fits = x.shape.get(cut.axis).is_some_and(|dim| !dim.is_batch() && cut.fits(dim.count()));
            ensure(once && fits, "slice", || format!("{cut:?} of {x}"))?;
            y.shape[cut.axis] = y.shape[cut.axis].with_count(cut.length());
        }
        Ok(vec![y])
    }

    /// What lies before and behind a part has letters of its own; of an axis that is taken in steps, neither side may shrink.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let (mut x, mut y) = (plain(inputs[0].rank()), plain(inputs[0].rank()));
        let mut next = x.len() as u16;
        let mut lengths = Vec::new();
        for cut in &self.cuts {
            if cut.step > 1 {
                (x[cut.axis], y[cut.axis]) = (Axis::bound(next), Axis::bound(next + 1));
            } else {
                let rest = inputs[0].shape[cut.axis].count() - cut.end;
                let around = [(next, cut.start), (next + 1, rest)].map(|(id, length)| (length > 0).then_some((id, length)));
                let part = |of: Option<(u16, usize)>| of.map(|(id, _)| Axis::free(id));
                let parts = [part(around[0]), Some(y[cut.axis].clone()), part(around[1])];
                x[cut.axis] = Axis::chain(parts.into_iter().flatten());
                lengths.extend(around.into_iter().flatten());
            }
            next += 2;
        }
        lengths.into_iter().fold(Axes::new(vec![x], vec![y]), |axes, (id, length)| axes.with_length(id, length))
    }

    fn bound_because(&self) -> &'static str {
        "elements are taken in steps"
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, inputs: &[Extent], _outputs: &[Extent]) {
        for cut in &mut self.cuts {
            let kept = &inputs[0].kept[cut.axis];
            (cut.start, cut.end) = (kept.count_below(cut.start), kept.count_below(cut.end));
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("slice", inputs)?;
        let mut shape = x.shape().to_vec();
        let cut_of = |axis: usize| self.cuts.iter().find(|cut| cut.axis == axis);
        (0..shape.len()).for_each(|axis| shape[axis] = cut_of(axis).map_or(shape[axis], Cut::length));
        let mut from = vec![0; shape.len()];
        Ok(vec![Array::from_fn(&shape, |index| {
            for (axis, &i) in index.iter().enumerate() {
                from[axis] = cut_of(axis).map_or(i, |cut| cut.start + i * cut.step);
            }
            x.at(&from)
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Cut, Operator, Slice};
    use crate::fact::Fact;

    #[test]
    fn a_part_in_steps() {
        let x = Array::new(vec![6], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let op = Slice { cuts: vec![Cut { axis: 0, start: 1, end: 6, step: 2 }] };
        assert_eq!(op.eval(&[&x]).unwrap()[0].data(), [1.0, 3.0, 5.0]);
    }

    #[test]
    fn what_is_not_taken_adds_nothing() {
        let op = Slice { cuts: vec![Cut { axis: 1, start: 2, end: 5, step: 1 }] };
        assert_eq!(op.axes(&[&Fact::fixed(&[1, 6])]).to_string(), "a{cbd}->ab c=2 d=1");
        let op = Slice { cuts: vec![Cut { axis: 1, start: 0, end: 6, step: 1 }] };
        assert_eq!(op.axes(&[&Fact::fixed(&[1, 6])]).to_string(), "ab->ab");
    }
}
