//! The positions that matter most.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::Result;
use crate::fact::{DType, Fact};
use crate::kind::best_first;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Of the positions `start..end` of an axis only the `count` with the largest norms stay, in the order in which they stand, and all positions before and
/// behind them. Each index of the axes before has its own. The norm is that of all elements on the axes behind (Euclidean; not a number counts as the
/// largest); of equals the first stays.
///
/// So fewer tokens go on, of each sample others (Liang et al., "EViT", 2022; Rao et al., "DynamicViT", 2021, with scores of their own).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keep {
    /// The axis.
    pub axis: usize,
    /// The first position that may be left out.
    pub start: usize,
    /// The first position behind it that may not.
    pub end: usize,
    /// How many of them stay, 1 or more.
    pub count: usize,
}

impl Keep {
    /// The positions that stay, rising, when all of the axis have these norms, or their squares.
    pub fn chosen(&self, norms: &[f64]) -> Vec<usize> {
        let scores: Vec<f64> = norms[self.start..self.end].iter().map(|norm| norm.abs()).collect();
        let best = best_first(&scores).into_iter().take(self.count).map(|at| self.start + at);
        let mut chosen: Vec<usize> = (0..self.start).chain(best).chain(self.end..norms.len()).collect();
        chosen.sort_unstable();
        chosen
    }

    /// Indices before the axis, its length, and elements of one position.
    fn sizes(&self, shape: &[usize]) -> [usize; 3] {
        let inner = shape[self.axis + 1..].iter().product();
        [shape[..self.axis].iter().product(), shape[self.axis], inner]
    }

    /// For each position that stays where it stands among all positions of all indices before the axis.
    fn places(&self, x: &Array) -> Vec<usize> {
        let [outer, length, inner] = self.sizes(x.shape());
        let square = |at: usize| x.data()[at * inner..][..inner].iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        let chosen = |index: usize| {
            let squares: Vec<f64> = (index * length..(index + 1) * length).map(square).collect();
            self.chosen(&squares).into_iter().map(move |at| index * length + at)
        };
        (0..outer).flat_map(chosen).collect()
    }

    fn left(&self, length: usize) -> usize {
        length - (self.end - self.start) + self.count
    }
}

impl Operator for Keep {
    fn name(&self) -> &'static str {
        "keep"
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("keep", inputs)?;
        let length = x.shape.get(self.axis).filter(|dim| !dim.is_batch()).map_or(0, |dim| dim.count());
        let within = self.start < self.end && self.end <= length && (1..=self.end - self.start).contains(&self.count);
        let alone = !x.shape.iter().skip(self.axis).any(|dim| dim.is_batch());
        let fits = within && alone && x.dtype == DType::F32;
        ensure(fits, "keep", || format!("{} of {}..{} on axis {} of {x}", self.count, self.start, self.end, self.axis))?;
        let mut y = x.clone();
        y.shape[self.axis] = y.shape[self.axis].with_count(self.left(length));
        Ok(vec![y])
    }

    /// Features that are zero change no norm.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let mut x = plain(inputs[0].rank());
        let mut y = x.clone();
        x[self.axis] = Axis::bound(self.axis as u16);
        y[self.axis] = Axis::bound(y.len() as u16);
        Axes::new(vec![x], vec![y])
    }

    fn bound_because(&self) -> &'static str {
        "which positions stay depends on their values"
    }

    /// Forward a square and a sum for each element that it reads.
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward => Work { flops: 2.0 * inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) },
            Phase::BackwardInput => element_wise(inputs, outputs, 0.0),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("keep", inputs)?;
        let [_, length, inner] = self.sizes(x.shape());
        let rows = self.places(x).into_iter().flat_map(|at| &x.data()[at * inner..][..inner]);
        let mut shape = x.shape().to_vec();
        shape[self.axis] = self.left(length);
        Ok(vec![Array::new(shape, rows.copied().collect())?])
    }

    /// To the positions that stay; zero to the others.
    fn backward(&self, inputs: &[&Array], gradient: &Array, _input: usize) -> Result<Array> {
        let [x] = take("keep", inputs)?;
        let [.., inner] = self.sizes(x.shape());
        let mut back = Array::full(x.shape(), 0.0);
        for (row, at) in self.places(x).into_iter().enumerate() {
            back.data_mut()[at * inner..][..inner].copy_from_slice(&gradient.data()[row * inner..][..inner]);
        }
        Ok(back)
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Keep, Operator};
    use crate::fact::{Dim, Fact};

    /// Two samples of a fixed token and three others with one feature each.
    fn tokens() -> Array {
        Array::new(vec![2, 4, 1], vec![0.0, 1.0, -3.0, 2.0, 0.5, f32::NAN, 9.0, -9.0]).unwrap()
    }

    #[test]
    fn the_largest_stay_in_their_order() {
        let keep = Keep { axis: 1, start: 1, end: 4, count: 2 };
        let y = keep.eval(&[&tokens()]).unwrap().remove(0);
        assert_eq!(y.shape(), [2, 3, 1]);
        assert_eq!(y.data()[..3], [0.0, -3.0, 2.0]);
        assert!(y.data()[4].is_nan());
        assert_eq!([y.data()[3], y.data()[5]], [0.5, 9.0]);
    }

    #[test]
    fn gradients_go_back_to_what_stays() {
        let keep = Keep { axis: 1, start: 1, end: 4, count: 1 };
        let g = Array::new(vec![2, 2, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let back = keep.backward(&[&tokens()], &g, 0).unwrap();
        assert_eq!(back.data(), [1.0, 0.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let x = Fact::f32([Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(2)]);
        let infer = |axis, start, end, count| Keep { axis, start, end, count }.infer(&[&x]);
        assert_eq!(infer(1, 0, 4, 3).unwrap()[0].to_string(), "[batch, 3, 2]");
        for (axis, start, end, count) in [(0, 0, 1, 1), (1, 0, 5, 1), (1, 2, 2, 1), (1, 0, 4, 0), (1, 0, 4, 5), (3, 0, 1, 1)] {
            assert!(infer(axis, start, end, count).is_err(), "{axis} {start} {end} {count}");
        }
        let samples_behind = Fact::f32([Dim::Fixed(4), Dim::Batch(1)]);
        assert!(Keep { axis: 0, start: 0, end: 4, count: 2 }.infer(&[&samples_behind]).is_err());
    }
}
