//! `y = x W + b`.
use super::ensure;
use crate::array::{Array, each_index};
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::extent::Extent;
use crate::fact::Fact;
use crate::kind::{SparsityKind, best_first};
use crate::kinds::Threshold;
use crate::operator::{Family, Operator, product};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// `y = x W + b`: input `[.., in]`, weight `[in, out]`, and an optional bias `[out]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// How many elements count of each row of the input, if not all: those with the largest magnitudes, of equals the first. The others are taken as zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<usize>,
}

impl Linear {
    /// The row with zeros for what does not count.
    fn thinned(&self, row: &[f32]) -> Vec<f32> {
        let mut row = row.to_vec();
        let scores: Vec<f64> = row.iter().map(|v| f64::from(v.abs())).collect();
        let count = self.active.unwrap_or(row.len());
        best_first(&scores).into_iter().skip(count).for_each(|at| row[at] = 0.0);
        row
    }
}

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        ensure((2..=3).contains(&inputs.len()), "linear", || format!("{} inputs, expected 2 or 3", inputs.len()))?;
        let (x, w) = (inputs[0], inputs[1]);
        let fits = x.rank() >= 1 && w.rank() == 2 && x.shape[x.rank() - 1] == w.shape[0];
        ensure(fits, "linear", || format!("input {x} does not fit weight {w}"))?;
        if let Some(bias) = inputs.get(2) {
            ensure(bias.shape == w.shape[1..], "linear", || format!("bias {bias} does not fit weight {w}"))?;
        }
        let counts = self.active.is_none_or(|count| (1..=w.shape[0].count()).contains(&count));
        ensure(counts, "linear", || format!("{:?} active inputs of {x}", self.active))?;
        let mut shape = x.shape.clone();
        shape[x.rank() - 1] = w.shape[1];
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let (i, o) = (Axis::free(rank as u16), Axis::free(rank as u16 + 1));
        let mut x = plain(rank - 1);
        let mut y = x.clone();
        x.push(i.clone());
        y.push(o.clone());
        let bias = (inputs.len() == 3).then(|| vec![o.clone()]);
        Axes::new([x, vec![i, o]].into_iter().chain(bias).collect(), vec![y])
    }

    /// Where not all inputs count, of the weights those that some row may meet are moved.
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let (count, width) = (inputs[1].shape[0].count() as f64, inputs[1].shape[1].count().max(1) as f64);
        let rows = outputs[0].elements() / width;
        let active = self.active.filter(|_| Threshold.phases().contains(&phase)).map_or(count, |active| active as f64);
        let work = product(inputs, outputs, outputs[0].elements() * active, phase);
        let read = (rows * active).min(count);
        Work { moved: work.moved - 4.0 * width * (count - read), ..work }
    }

    fn shrink(&mut self, inputs: &[Extent], _outputs: &[Extent]) {
        let left = inputs[1].left.shape[0].count();
        self.active = self.active.map(|count| count.min(left));
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, w, bias @ ..] = inputs else { return Err(Error::new("linear", "expected 2 or 3 inputs")) };
        let (rank, out) = (x.shape().len(), w.shape()[1]);
        let width = w.shape()[0];
        let mut shape = x.shape().to_vec();
        shape[rank - 1] = out;
        let rows = x.data().len() / width.max(1);
        let x = match self.active {
            Some(_) => Cow::Owned(x.data().chunks(width.max(1)).flat_map(|row| self.thinned(row)).collect::<Vec<f32>>()),
            None => Cow::Borrowed(x.data()),
        };
        let mut data = Vec::with_capacity(rows * out);
        each_index(&[rows, out], |at| {
            let (row, o) = (&x[at[0] * width..][..width], at[1]);
            let start = bias.first().map_or(0.0, |b| f64::from(b.data()[o]));
            let dot = |sum, (i, &v): (usize, &f32)| sum + f64::from(v) * f64::from(w.data()[i * out + o]);
            data.push(row.iter().enumerate().fold(start, dot) as f32);
        });
        Ok(vec![Array::new(shape, data)?])
    }
}
