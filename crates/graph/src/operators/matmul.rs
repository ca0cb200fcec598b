//! Matrix product with leading batch axes.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, Factors, plain};
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::operator::{Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `[.., m, k] x [.., k, n] -> [.., m, n]`, leading axes equal or of length one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matmul {}

impl Operator for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [a, b] = take("matmul", inputs)?;
        let rank = a.rank();
        let fits = rank >= 2 && b.rank() == rank && a.shape[rank - 1] == b.shape[rank - 2];
        ensure(fits, "matmul", || format!("{a} does not fit {b}"))?;
        let one = Dim::Fixed(1);
        let mut shape = Vec::with_capacity(rank);
        for (&x, &y) in a.shape[..rank - 2].iter().zip(&b.shape) {
            ensure(x == y || x == one || y == one, "matmul", || format!("{a} does not fit {b}"))?;
            shape.push(if x == one { y } else { x });
        }
        shape.extend([a.shape[rank - 2], b.shape[rank - 1]]);
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let last = Axes::of("mk,kn->mn");
        let operand = |fact: &Fact, tail: &[Factors]| -> Vec<Factors> {
            let lead = plain(rank - 2).into_iter().zip(&fact.shape);
            let lead = lead.map(|(letter, &dim)| if dim == Dim::Fixed(1) { Vec::new() } else { letter });
            lead.chain(tail.iter().cloned()).collect()
        };
        let y = plain(rank - 2).into_iter().chain(last.outputs()[0].iter().cloned()).collect();
        Axes::new(vec![operand(inputs[0], &last.inputs()[0]), operand(inputs[1], &last.inputs()[1])], vec![y])
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
        let rank = a.shape().len();
        let depth = a.shape()[rank - 1];
        let lead = a.shape()[..rank - 2].iter().zip(b.shape()).map(|(x, y)| *x.max(y));
        let shape: Vec<usize> = lead.chain([a.shape()[rank - 2], b.shape()[rank - 1]]).collect();
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
