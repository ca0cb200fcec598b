//! Scaled dot-product attention.
use super::ensure;
use crate::array::{Array, each_index};
use crate::axes::{Axes, Axis, plain};
use crate::error::{Error, Result};
use crate::fact::{Dim, Fact};
use crate::near::Near;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `softmax(scale Q K' + mask) V` over the tokens of `K` and `V` (Vaswani et al., 2017): `Q` `[.., queries, width]`, `K` `[.., tokens, width]`,
/// `V` `[.., tokens, features]`, and an optional mask that is repeated to `[.., queries, tokens]`. The leading axes are equal: samples, heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// The factor of the scores: one over the root of the width, of that which is not thinned out.
    pub scale: f64,
    /// Whether query `i` sees tokens up to `i` alone.
    pub causal: bool,
    /// Which blocks of scores are computed, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<Near>,
}

fn operands<'a, T>(inputs: &[&'a T]) -> Result<([&'a T; 3], Option<&'a T>)> {
    match *inputs {
        [q, k, v] => Ok(([q, k, v], None)),
        [q, k, v, mask] => Ok(([q, k, v], Some(mask))),
        _ => Err(Error::new("attention", format!("{} inputs, expected 3 or 4", inputs.len()))),
    }
}

impl Attention {
    /// One over all tokens that are not behind a query, or over all.
    pub fn new(scale: f64, causal: bool) -> Self {
        Self { scale, causal, near: None }
    }

    /// What is added to the scores, `[queries, tokens]`: negative infinity where a query does not see a token, and zero.
    ///
    /// # Panics
    /// When blocks of scores have no side.
    pub fn hidden(&self, lengths: [usize; 2]) -> Array {
        let rows = |near: Near| (0..lengths[0].div_ceil(near.side)).map(move |row| near.seen(row, lengths, self.causal));
        let seen = self.near.map(|near| (near.side, rows(near).collect::<Vec<_>>()));
        Array::from_fn(&lengths, |at| {
            let near = seen.as_ref().is_none_or(|(side, rows)| rows[at[0] / side].binary_search(&(at[1] / side)).is_ok());
            if near && !(self.causal && at[1] > at[0]) { 0.0 } else { f32::NEG_INFINITY }
        })
    }

    /// The weights that a query gives to the tokens that are not hidden.
    fn weights(&self, [q, k, hidden]: [&Array; 3], mask: Option<&Array>, at: &[usize]) -> Vec<f64> {
        let (rank, width) = (at.len(), q.shape()[at.len() - 1]);
        let (mut left, mut right) = (at.to_vec(), at.to_vec());
        let mut score = |token: usize| {
            if hidden.at(&[at[rank - 2], token]) < 0.0 {
                return f64::NEG_INFINITY;
            }
            right[rank - 2] = token;
            let mut sum = 0.0;
            for i in 0..width {
                (left[rank - 1], right[rank - 1]) = (i, i);
                sum += f64::from(q.at(&left)) * f64::from(k.at(&right));
            }
            let mut place = at.to_vec();
            place[rank - 1] = token;
            self.scale * sum + mask.map_or(0.0, |mask| f64::from(mask.broadcast_at(&place)))
        };
        let scores: Vec<f64> = (0..k.shape()[rank - 2]).map(&mut score).collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - top).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }
}

impl Operator for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn family(&self) -> Family {
        Family::Product
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let ([q, k, v], mask) = operands(inputs)?;
        let rank = q.rank();
        let fits = rank >= 2
            && k.rank() == rank
            && v.rank() == rank
            && k.shape[..rank - 2] == q.shape[..rank - 2]
            && v.shape[..rank - 1] == k.shape[..rank - 1]
            && k.shape[rank - 1] == q.shape[rank - 1];
        ensure(fits, "attention", || format!("{q}, {k} and {v} do not fit each other"))?;
        let some = self.near.is_none_or(|near| near.side > 0 && near.count > 0);
        ensure(some, "attention", || format!("{:?}: no query sees anything", self.near))?;
        let mut shape = q.shape.clone();
        if let Some(mask) = mask {
            shape[rank - 1] = k.shape[rank - 2];
            let repeats = |(&dim, &to): (&Dim, &Dim)| dim == to || dim == Dim::Fixed(1);
            let lead = rank.checked_sub(mask.rank());
            let fits = lead.is_some_and(|lead| mask.shape.iter().zip(&shape[lead..]).all(repeats));
            ensure(fits, "attention", || format!("mask {mask} does not fit {q} and {k}"))?;
        }
        shape[rank - 1] = v.shape[rank - 1];
        Ok(vec![Fact::f32(shape)])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let lead = plain(rank - 2);
        let id = |at: usize| (rank + at) as u16;
        let queries = if self.causal || self.near.is_some() { Axis::bound(id(0)) } else { Axis::free(id(0)) };
        let (width, tokens, features) = (Axis::free(id(1)), Axis::bound(id(2)), Axis::free(id(3)));
        let operand = |a: &Axis, b: &Axis| [&lead[..], &[a.clone(), b.clone()]].concat();
        let [q, k, v] = [operand(&queries, &width), operand(&tokens, &width), operand(&tokens, &features)];
        let mask = inputs.get(3).map(|mask| {
            let scores = operand(&queries, &tokens);
            let lengths = [&inputs[0].shape[..rank - 1], &inputs[1].shape[rank - 2..rank - 1]].concat();
            let axis = |(&dim, at): (&Dim, usize)| if dim == lengths[at] { scores[at].clone() } else { Axis::One };
            mask.shape.iter().zip(rank - mask.rank()..).map(axis).collect()
        });
        Axes::new([q, k, v].into_iter().chain(mask).collect(), vec![operand(&queries, &features)])
    }

    fn bound_because(&self) -> &'static str {
        "softmax over the tokens: zero is not absence"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let rank = inputs[0].rank();
        let tokens = inputs[1].shape[rank - 2].count() as f64;
        let seen = self.near.map_or(1.0, |near| {
            near.density([0, 1].map(|i: usize| inputs[i].shape[rank - 2].count()), self.causal)
        });
        let macs = seen * tokens * (inputs[0].elements() + outputs[0].elements());
        let plain = element_wise(inputs, outputs, 0.0);
        match phase {
            Phase::Forward => Work { flops: 2.0 * macs, ..plain },
            Phase::BackwardInput => Work { flops: 4.0 * macs, ..plain.scaled(2.0) },
            Phase::BackwardWeight | Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let ([q, k, v], mask) = operands(inputs)?;
        let rank = q.shape().len();
        let mut shape = q.shape().to_vec();
        shape[rank - 1] = v.shape()[rank - 1];
        let hidden = self.hidden([q, k].map(|operand| operand.shape()[rank - 2]));
        let mut data = Vec::with_capacity(shape.iter().product());
        each_index(&shape[..rank - 1], |row| {
            let mut at = [row, &[0]].concat();
            let weights = self.weights([q, k, &hidden], mask, &at);
            for feature in 0..shape[rank - 1] {
                at[rank - 1] = feature;
                let mut sum = 0.0;
                for (token, weight) in weights.iter().enumerate() {
                    at[rank - 2] = token;
                    sum += weight * f64::from(v.at(&at));
                }
                data.push(sum as f32);
            }
        });
        Ok(vec![Array::new(shape, data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Attention, Operator};
    use crate::fact::Fact;

    #[test]
    fn a_causal_query_sees_what_stands_before() {
        let [q, k] = [1.0, 0.0].map(|v| Array::full(&[1, 2, 1], v));
        let v = Array::new(vec![1, 2, 1], vec![1.0, 3.0]).unwrap();
        let y = Attention::new(1.0, true).eval(&[&q, &k, &v]).unwrap();
        assert_eq!(y[0].data(), [1.0, 2.0]);
    }

    #[test]
    fn heads_and_features_are_free_and_tokens_are_bound() {
        let [x, mask] = [Fact::fixed(&[2, 4, 5, 3]), Fact::fixed(&[1, 5])];
        let axes = Attention::new(1.0, false).axes(&[&x, &x, &x, &mask]);
        assert_eq!(axes.to_string(), "abef,abGf,abGh,1G->abeh");
    }
}
