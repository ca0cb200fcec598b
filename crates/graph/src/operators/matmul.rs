//! Matrix product with leading batch axes.
use super::take;
use crate::array::Array;
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `[.., m, k] x [.., k, n] -> [.., m, n]`: leading axes are aligned at the last of them, and equal or of length one or missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matmul {}

const ONE: Dim = Dim::Fixed(1);

/// The leading axes of two factors, repeated to each other; `None` when they do not fit.
fn lead(a: &[Dim], b: &[Dim]) -> Option<Vec<Dim>> {
    let rank = a.len().max(b.len());
    let of = |shape: &[Dim], at: usize| (at + shape.len()).checked_sub(rank).map_or(ONE, |axis| shape[axis]);
    let joined = |(x, y): (Dim, Dim)| (x == y || y == ONE).then_some(x).or((x == ONE).then_some(y));
    (0..rank).map(|at| joined((of(a, at), of(b, at)))).collect()
}

impl Operator for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [a, b] = take("matmul", inputs)?;
        let wrong = || Error::new("matmul", format!("{a} does not fit {b}"));
        let (Some((x, [m, k])), Some((y, [inner, n]))) = (a.shape.split_last_chunk(), b.shape.split_last_chunk()) else {
            return Err(wrong());
        };
        let lead = lead(x, y).filter(|_| k == inner).ok_or_else(wrong)?;
        Ok(vec![Fact::f32([&lead[..], &[*m, *n]].concat())])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let outer = |fact: &Fact| fact.shape[..fact.rank() - 2].to_vec();
        let joint = lead(&outer(inputs[0]), &outer(inputs[1])).unwrap_or_default();
        let letters = plain(joint.len());
        let [m, k, n] = [0, 1, 2].map(|at| Axis::free((joint.len() + at) as u16));
        let operand = |fact: &Fact, tail: [&Axis; 2]| -> Vec<Axis> {
            let first = joint.len() + 2 - fact.rank();
            let repeated = |at: usize| fact.shape[at - first] != joint[at];
            let lead = (first..joint.len()).map(|at| if repeated(at) { Axis::One } else { letters[at].clone() });
            lead.chain(tail.into_iter().cloned()).collect()
        };
        let y = letters.iter().cloned().chain([m.clone(), n.clone()]).collect();
        Axes::new(vec![operand(inputs[0], [&m, &k]), operand(inputs[1], [&k, &n])], vec![y])
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let macs = outputs[0].elements() * inputs[0].shape[inputs[0].rank() - 1].count() as f64;
        let plain = element_wise(inputs, outputs, 0.0);
        match phase {
            Phase::Forward => Work { flops: 2.0 * macs, ..plain },
            Phase::BackwardInput => Work { flops: 4.0 * macs, ..plain.scaled(2.0) },
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [a, b] = take("matmul", inputs)?;
        let outer = |array: &Array| array.shape()[..array.shape().len() - 2].iter().map(|&n| Dim::Fixed(n)).collect::<Vec<_>>();
        let joint = lead(&outer(a), &outer(b)).ok_or_else(|| Error::new("matmul", "factors do not fit"))?;
        let rank = joint.len() + 2;
        let depth = a.shape()[a.shape().len() - 1];
        let ends = [a.shape()[a.shape().len() - 2], b.shape()[b.shape().len() - 1]];
        let shape: Vec<usize> = joint.iter().map(|dim| dim.count()).chain(ends).collect();
        Ok(vec![Array::from_fn(&shape, |index| {
            let (mut left, mut right) = (index.to_vec(), index.to_vec());
            let mut sum = 0.0;
            for k in 0..depth {
                (left[rank - 1], right[rank - 2]) = (k, k);
                sum += f64::from(a.broadcast_at(&left)) * f64::from(b.broadcast_at(&right));
            }
            sum as f32
        })])
    }
}
