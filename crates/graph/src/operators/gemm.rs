//! A matrix product with factors, as BLAS has it.
use super::ensure;
use crate::array::Array;
use crate::axes::{Axes, Axis};
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::operator::{Family, Operator, product};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `alpha A B + beta C`, with `A` `[m, k]` and `B` `[k, n]`, each of them transposed where said so, and an optional `C` that is repeated to
/// `[m, n]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gemm {
    /// The factor of the product.
    pub alpha: f64,
    /// The factor of the summand.
    pub beta: f64,
    /// Whether `A` is stored as `[k, m]`.
    pub transposed_a: bool,
    /// Whether `B` is stored as `[n, k]`.
    pub transposed_b: bool,
}

fn turned<T>(pair: [T; 2], transposed: bool) -> [T; 2] {
    let [a, b] = pair;
    if transposed { [b, a] } else { [a, b] }
}

impl Gemm {
    /// `[m, k, n]` of two matrices; `None` unless they fit.
    fn sizes(&self, a: &Fact, b: &Fact) -> Option<[Dim; 3]> {
        let pair = |fact: &Fact| <[Dim; 2]>::try_from(fact.shape.as_slice()).ok();
        let ([m, k], [inner, n]) = (turned(pair(a)?, self.transposed_a), turned(pair(b)?, self.transposed_b));
        (k == inner).then_some([m, k, n])
    }
}

impl Operator for Gemm {
    fn name(&self) -> &'static str {
        "gemm"
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let ([a, b] | [a, b, _]) = inputs else { return Err(Error::new("gemm", "expected 2 or 3 inputs")) };
        let Some([m, _, n]) = self.sizes(a, b) else {
            return Err(Error::new("gemm", format!("{a} does not fit {b}")));
        };
        if let Some(c) = inputs.get(2) {
            let shape = [m, n];
            let repeats = |(&dim, &to): (&Dim, &Dim)| dim == to || dim == Dim::Fixed(1);
            let fits = c.rank() <= 2 && c.shape.iter().zip(&shape[2 - c.rank().min(2)..]).all(repeats);
            ensure(fits, "gemm", || format!("summand {c} does not fit [{m}, {n}]"))?;
        }
        Ok(vec![Fact::f32([m, n])])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let [m, k, n] = [0, 1, 2].map(Axis::free);
        let a = turned([m.clone(), k.clone()], self.transposed_a).to_vec();
        let b = turned([k, n.clone()], self.transposed_b).to_vec();
        let y = [m, n];
        let c = inputs.get(2).map(|c| {
            let lengths = self.sizes(inputs[0], inputs[1]).map_or([Dim::Fixed(1); 2], |[m, _, n]| [m, n]);
            let lead = 2 - c.rank();
            let axis = |(at, &dim): (usize, &Dim)| if dim == lengths[lead + at] { y[lead + at].clone() } else { Axis::One };
            c.shape.iter().enumerate().map(axis).collect()
        });
        Axes::new([a, b].into_iter().chain(c).collect(), vec![y.to_vec()])
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let depth = inputs[0].elements() / outputs[0].shape[0].count().max(1) as f64;
        product(inputs, outputs, outputs[0].elements() * depth, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let ([a, b] | [a, b, _]) = inputs else { return Err(Error::new("gemm", "expected 2 or 3 inputs")) };
        let [rows, depth] = turned([a.shape()[0], a.shape()[1]], self.transposed_a);
        let columns = turned([b.shape()[0], b.shape()[1]], self.transposed_b)[1];
        Ok(vec![Array::from_fn(&[rows, columns], |at| {
            let term = |k| {
                let (left, right) = (turned([at[0], k], self.transposed_a), turned([k, at[1]], self.transposed_b));
                f64::from(a.at(&left)) * f64::from(b.at(&right))
            };
            let product: f64 = (0..depth).map(term).sum();
            let summand = inputs.get(2).map_or(0.0, |c| f64::from(c.broadcast_at(at)));
            (self.alpha * product + self.beta * summand) as f32
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Gemm, Operator};
    use crate::fact::Fact;

    #[test]
    fn both_factors_may_be_transposed() {
        let a = Array::new(vec![2, 1], vec![1.0, 2.0]).unwrap();
        let b = Array::new(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let c = Array::new(vec![2], vec![1.0, 2.0]).unwrap();
        let gemm = Gemm { alpha: 2.0, beta: 0.5, transposed_a: true, transposed_b: true };
        assert_eq!(gemm.eval(&[&a, &b, &c]).unwrap()[0].data(), [10.5, 23.0]);
        let facts = [Fact::fixed(&[2, 1]), Fact::fixed(&[2, 2]), Fact::fixed(&[2])];
        assert_eq!(gemm.axes(&facts.iter().collect::<Vec<_>>()).to_string(), "ba,cb,c->ac");
    }
}
