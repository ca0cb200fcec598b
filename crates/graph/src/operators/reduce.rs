//! Many elements become one.
use super::{ensure, take};
use crate::array::{Array, each_index};
use crate::axes::{Axes, Axis, plain, plain_with_bound};
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// How elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their product.
    Prod,
    /// The sum of their magnitudes.
    L1,
    /// The square root of the sum of their squares.
    L2,
    /// The sum of their squares.
    SumSquare,
}

impl Reduction {
    fn start(self) -> f64 {
        match self {
            Self::Sum | Self::Mean | Self::L1 | Self::L2 | Self::SumSquare => 0.0,
            Self::Max => f64::NEG_INFINITY,
            Self::Min => f64::INFINITY,
            Self::Prod => 1.0,
        }
    }

    fn join(self, so_far: f64, x: f64) -> f64 {
        match self {
            Self::Sum | Self::Mean => so_far + x,
            Self::Max if x.is_nan() || so_far.is_nan() => f64::NAN,
            Self::Max => so_far.max(x),
            Self::Min if x.is_nan() || so_far.is_nan() => f64::NAN,
            Self::Min => so_far.min(x),
            Self::Prod => so_far * x,
            Self::L1 => so_far + x.abs(),
            Self::L2 | Self::SumSquare => so_far + x * x,
        }
    }

    fn finish(self, total: f64, count: f64) -> f64 {
        match self {
            Self::Mean => total / count,
            Self::L2 => total.sqrt(),
            _ => total,
        }
    }

    /// Whether zeros change nothing, so that they are as good as absent.
    fn ignores_zeros(self) -> bool {
        matches!(self, Self::Sum | Self::L1 | Self::L2 | Self::SumSquare)
    }
}

/// Reduces axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduce {
    /// How.
    pub reduction: Reduction,
    /// The axes, each once.
    pub axes: Vec<usize>,
    /// Whether they stay, with length one.
    pub keep: bool,
}

impl Reduce {
    /// The reduction of one axis, which stays with length one.
    pub fn along(reduction: Reduction, axis: usize) -> Self {
        Self { reduction, axes: vec![axis], keep: true }
    }

    /// `all` with the reduced axes replaced by `one`, or left out.
    fn reduced<T: Clone>(&self, all: &[T], one: &T) -> Vec<T> {
        let axes = all.iter().enumerate().filter(|(axis, _)| self.keep || !self.axes.contains(axis));
        axes.map(|(axis, item)| if self.axes.contains(&axis) { one.clone() } else { item.clone() }).collect()
    }
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Max => "max",
            Reduction::Min => "min",
            Reduction::Prod => "prod",
            Reduction::L1 => "l1",
            Reduction::L2 => "l2",
            Reduction::SumSquare => "sum_square",
        }
    }

    fn family(&self) -> Family {
        Family::Reduction
    }

    fn keeps_zero(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take(self.name(), inputs)?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        let distinct = sorted.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = distinct && self.axes.iter().all(|&axis| axis < x.rank());
        ensure(fits, self.name(), || format!("axes {:?} of {x}", self.axes))?;
        Ok(vec![Fact { dtype: x.dtype, shape: self.reduced(&x.shape, &Dim::Fixed(1)) }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = if self.reduction.ignores_zeros() { plain(rank) } else { plain_with_bound(rank, &self.axes) };
        let y = self.reduced(&x, &Axis::One);
        Axes::new(vec![x], vec![y])
    }

    fn bound_because(&self) -> &'static str {
        match self.reduction {
            Reduction::Mean => "averages over the axis",
            Reduction::Prod => "multiplies along the axis",
            _ => "takes an extreme of the axis",
        }
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => {
                Work { flops: inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) }
            }
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take(self.name(), inputs)?;
        let kept = Self { keep: true, ..self.clone() }.reduced(x.shape(), &1);
        let mut totals = vec![self.reduction.start(); kept.iter().product()];
        let mut values = x.data().iter();
        each_index(x.shape(), |index| {
            let at = kept.iter().zip(index).fold(0, |at, (&n, &i)| at * n + if n == 1 { 0 } else { i });
            if let Some(&v) = values.next() {
                totals[at] = self.reduction.join(totals[at], v.into());
            }
        });
        let count = self.axes.iter().map(|&axis| x.shape()[axis] as f64).product();
        let data = totals.into_iter().map(|total| self.reduction.finish(total, count) as f32).collect();
        Ok(vec![Array::new(self.reduced(x.shape(), &1), data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Reduce, Reduction};
    use crate::fact::Fact;

    #[test]
    fn two_axes_at_once() {
        let x = Array::from_fn(&[2, 2, 2], |at| (4 * at[0] + 2 * at[1] + at[2]) as f32);
        let over = |reduction, keep| Reduce { reduction, axes: vec![2, 0], keep }.eval(&[&x]).unwrap().remove(0);
        assert_eq!(over(Reduction::Sum, true), Array::new(vec![1, 2, 1], vec![10.0, 18.0]).unwrap());
        assert_eq!(over(Reduction::Mean, false), Array::new(vec![2], vec![2.5, 4.5]).unwrap());
        assert_eq!(over(Reduction::Max, false).data(), [5.0, 7.0]);
        assert_eq!(over(Reduction::Min, false).data(), [0.0, 2.0]);
        assert_eq!(over(Reduction::Prod, false).data(), [0.0, 2.0 * 3.0 * 6.0 * 7.0]);
        assert_eq!(over(Reduction::L2, false).data()[0], 42.0_f32.sqrt());
    }

    #[test]
    fn an_axis_twice_is_refused() {
        let op = Reduce { reduction: Reduction::Sum, axes: vec![1, 1], keep: true };
        assert!(op.infer(&[&Fact::fixed(&[2, 2])]).is_err());
    }

    #[test]
    fn only_what_ignores_zeros_may_thin_out() {
        let axes = |reduction| Reduce { reduction, axes: vec![1], keep: false }.axes(&[&Fact::fixed(&[2, 3])]);
        assert_eq!(axes(Reduction::L2).to_string(), "ab->a");
        assert_eq!(axes(Reduction::Max).to_string(), "aB->a");
    }
}
