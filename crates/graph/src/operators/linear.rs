//! `y = x W + b`.
use super::ensure;
use crate::array::{Array, each_index};
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::{Family, Operator, product};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `y = x W + b`: input `[.., in]`, weight `[in, out]`, and an optional bias `[out]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {}

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

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let macs = outputs[0].elements() * inputs[1].shape[0].count() as f64;
        product(inputs, outputs, macs, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, w, bias @ ..] = inputs else { return Err(Error::new("linear", "expected 2 or 3 inputs")) };
        let (rank, out) = (x.shape().len(), w.shape()[1]);
        let width = w.shape()[0];
        let mut shape = x.shape().to_vec();
        shape[rank - 1] = out;
        let rows = x.data().len() / width.max(1);
        let mut data = Vec::with_capacity(rows * out);
        each_index(&[rows, out], |at| {
            let (row, o) = (&x.data()[at[0] * width..][..width], at[1]);
            let start = bias.first().map_or(0.0, |b| f64::from(b.data()[o]));
            let dot = |sum, (i, &v): (usize, &f32)| sum + f64::from(v) * f64::from(w.data()[i * out + o]);
            data.push(row.iter().enumerate().fold(start, dot) as f32);
        });
        Ok(vec![Array::new(shape, data)?])
    }
}
