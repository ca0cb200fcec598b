//! The largest or smallest elements of an axis.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::{DType, Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The `k` largest elements along an axis, in falling order, and their indices: two outputs. Of equal elements the first comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopK {
    /// Elements taken.
    pub k: usize,
    /// The axis.
    pub axis: usize,
    /// Takes the smallest elements instead, in rising order.
    pub least: bool,
}

impl TopK {
    fn order(&self, lane: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        order.sort_by(|&a, &b| {
            let rising = lane[a].total_cmp(&lane[b]);
            if self.least { rising } else { rising.reverse() }
        });
        order
    }
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x] = take("top_k", inputs)?;
        ensure(self.axis < x.rank(), "top_k", || format!("axis {} of {x}", self.axis))?;
        let dim = x.shape[self.axis];
        ensure(self.k <= dim.count() && !dim.is_batch(), "top_k", || format!("{} of axis {} of {x}", self.k, self.axis))?;
        let mut shape = x.shape.clone();
        shape[self.axis] = Dim::Fixed(self.k);
        Ok(vec![Fact { dtype: x.dtype, shape: shape.clone() }, Fact { dtype: DType::I64, shape }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let all = plain_with_bound(rank + 1, &[self.axis, rank]);
        let x = all[..rank].to_vec();
        let mut y = x.clone();
        y[self.axis] = all[rank].clone();
        Axes::new(vec![x], vec![y.clone(), y])
    }

    fn bound_because(&self) -> &'static str {
        "takes the extremes of the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward => Work { flops: inputs[0].elements(), ..element_wise(inputs, outputs, 0.0) },
            Phase::BackwardInput => element_wise(inputs, outputs, 0.0),
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x] = take("top_k", inputs)?;
        let values = x.map_lanes(self.axis, self.k, |x, y| {
            y.iter_mut().zip(self.order(x)).for_each(|(y, i)| *y = x[i]);
        });
        let indices = x.map_lanes(self.axis, self.k, |x, y| {
            y.iter_mut().zip(self.order(x)).for_each(|(y, i)| *y = i as f64);
        });
        Ok(vec![values, indices])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, TopK};

    #[test]
    fn values_and_where_they_stood() {
        let x = Array::new(vec![4, 1], vec![2.0, 7.0, -1.0, 7.0]).unwrap();
        let y = TopK { k: 3, axis: 0, least: false }.eval(&[&x]).unwrap();
        assert_eq!((y[0].data(), y[1].data()), (&[7.0, 7.0, 2.0][..], &[1.0, 3.0, 0.0][..]));
        let y = TopK { k: 2, axis: 0, least: true }.eval(&[&x]).unwrap();
        assert_eq!((y[0].data(), y[1].data()), (&[-1.0, 2.0][..], &[2.0, 0.0][..]));
    }
}
