//! The same elements under another shape.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Factors, Letter};
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::operator::Operator;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The same elements, row-major, under another shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// The new shape.
    pub to: Vec<Dim>,
}

/// For each axis, the factors it is made of, as numbers of letters.
type Splits = Vec<Vec<usize>>;

/// Splits two lists of lengths with equal products into common factors, or gives
/// `None` when the lengths do not split evenly.
fn common_factors(from: &[usize], to: &[usize]) -> Option<(Splits, Splits)> {
    let (mut left, mut right) = (vec![Vec::new(); from.len()], vec![Vec::new(); to.len()]);
    let (mut i, mut j, mut letter) = (0, 0, 0);
    let (mut a, mut b) = (1, 1);
    loop {
        while a == 1 && i < from.len() {
            a = from[i];
            i += 1;
        }
        while b == 1 && j < to.len() {
            b = to[j];
            j += 1;
        }
        if a == 1 && b == 1 {
            return Some((left, right));
        }
        let (small, large) = (a.min(b), a.max(b));
        if small <= 1 || large % small != 0 {
            return None;
        }
        left[i - 1].push(letter);
        right[j - 1].push(letter);
        letter += 1;
        (a, b) = (a / small, b / small);
    }
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
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
        const PROBE: usize = 8191;
        let lengths = |shape: &[Dim]| shape.iter().map(|dim| dim.at(PROBE)).collect::<Vec<_>>();
        let Some((from, to)) = common_factors(&lengths(&inputs[0].shape), &lengths(&self.to)) else {
            return Axes::opaque();
        };
        let letters = |axes: Vec<Vec<usize>>| -> Option<Vec<Factors>> {
            let one = |n: usize| ('a'..='z').nth(n).map(|name| Letter { name, bound: false });
            axes.into_iter().map(|factors| factors.into_iter().map(one).collect()).collect()
        };
        match (letters(from), letters(to)) {
            (Some(from), Some(to)) => Axes::new(vec![from], vec![to]),
            _ => Axes::opaque(),
        }
    }

    fn work(&self, _inputs: &[&Fact], _outputs: &[Fact], _phase: Phase) -> Work {
        Work::default()
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
