//! The same elements under another shape.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, Letter};
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The same elements, row-major, under another shape. Flattening, squeezing and unsqueezing are reshapes too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// The new shape.
    pub to: Vec<Dim>,
}

/// One axis as a product of factors: numbers of letters.
type Split = Vec<u16>;

/// Two lists of lengths with equal products as products of common factors, and the lengths of these.
struct Common {
    from: Vec<Split>,
    to: Vec<Split>,
    lengths: Vec<usize>,
}

/// An axis that is being taken apart: what is left of its length.
struct Front<'a> {
    lengths: &'a [usize],
    splits: Vec<Split>,
    next: usize,
    rest: usize,
}

impl<'a> Front<'a> {
    fn new(lengths: &'a [usize]) -> Self {
        Self { lengths, splits: vec![Split::new(); lengths.len()], next: 0, rest: 1 }
    }

    /// Goes on to the next axis that is longer than one.
    fn advance(&mut self) {
        while self.rest == 1 && self.next < self.lengths.len() {
            self.rest = self.lengths[self.next];
            self.next += 1;
        }
    }

    fn take(&mut self, letter: u16, length: usize) {
        self.splits[self.next - 1].push(letter);
        self.rest /= length;
    }
}

impl Common {
    /// From the outermost axis inwards; `None` when the lengths do not split evenly.
    fn of(from: &[usize], to: &[usize]) -> Option<Self> {
        let (mut left, mut right) = (Front::new(from), Front::new(to));
        let mut lengths = Vec::new();
        loop {
            left.advance();
            right.advance();
            if left.rest == 1 && right.rest == 1 {
                return Some(Self { from: left.splits, to: right.splits, lengths });
            }
            let (small, large) = (left.rest.min(right.rest), left.rest.max(right.rest));
            if small <= 1 || large % small != 0 {
                return None;
            }
            let letter = u16::try_from(lengths.len()).ok()?;
            left.take(letter, small);
            right.take(letter, small);
            lengths.push(small);
        }
    }
}

/// A batch that is no divisor of other lengths.
const PROBE: usize = 8191;

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn family(&self) -> Family {
        Family::Movement
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("reshape", inputs)?;
        let y = Fact { dtype: x.dtype, shape: self.to.clone() };
        let equal = (1..=2).all(|batch| x.at_batch(batch).elements() == y.at_batch(batch).elements());
        ensure(equal, "reshape", || format!("{x} has not as many elements as {y}"))?;
        Ok(vec![y])
    }

    /// Lengths are split from the outermost axis inwards, so that channels and groups of channels share their outermost factor.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let lengths = |shape: &[Dim]| shape.iter().map(|dim| dim.at(PROBE)).collect::<Vec<_>>();
        let Some(common) = Common::of(&lengths(&inputs[0].shape), &lengths(&self.to)) else {
            return Axes::opaque();
        };
        let axis = |split: Split| Axis::product(split.into_iter().map(|id| Letter { id, bound: false }).collect());
        let side = |splits: Vec<Split>| splits.into_iter().map(axis).collect();
        let axes = Axes::new(vec![side(common.from)], vec![side(common.to)]);
        let per_sample = |length: usize| if length.is_multiple_of(PROBE) { length / PROBE } else { length };
        let state = |axes: Axes, (id, &length): (usize, &usize)| axes.with_length(id as u16, per_sample(length));
        common.lengths.iter().enumerate().fold(axes, state)
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
    }

    fn shrink(&mut self, _inputs: &[Extent], outputs: &[Extent]) {
        self.to.clone_from(&outputs[0].left.shape);
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("reshape", inputs)?;
        let per_sample = |batch: usize| self.to.iter().map(|dim| dim.at(batch)).product::<usize>();
        let fits = |batch: &usize| per_sample(*batch) == x.data().len();
        let batch = (0..=x.data().len()).find(fits).ok_or_else(|| Error::new("reshape", "no batch fits"))?;
        let shape: Vec<usize> = self.to.iter().map(|dim| dim.at(batch)).collect();
        Ok(vec![x.reshaped(&shape)?])
    }
}
