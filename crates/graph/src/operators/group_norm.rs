//! Normalisation over groups of channels.
use super::{ensure, normalise, take};
use crate::array::Array;
use crate::axes::{Axes, Axis, Letter, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, normalisation};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over each group of channels and the axes behind them (Wu & He, 2018): inputs x
/// `[batch, channel, ..]`, gamma and beta `[channel]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNorm {
    /// Channels of a group; they divide the channels. Stated in place of the number of groups, which shrinks with the channels.
    pub size: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Operator for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, gamma, beta] = take("group_norm", inputs)?;
        let fits = |weight: &Fact| x.rank() >= 2 && weight.shape[..] == x.shape[1..2];
        ensure(fits(gamma) && fits(beta), "group_norm", || format!("weights do not fit the channels of {x}"))?;
        let channels = x.shape[1].count();
        ensure(self.size > 0 && channels.is_multiple_of(self.size), "group_norm", || {
            format!("groups of {} channels, which do not divide {channels}", self.size)
        })?;
        Ok(vec![x.clone()])
    }

    /// Groups are free, and bound within.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let mut x = plain_with_bound(rank, &(2..rank).collect::<Vec<_>>());
        let within = Letter { id: rank as u16, bound: true };
        x[1] = Axis::product(vec![Letter { id: 1, bound: false }, within]);
        let weight = vec![x[1].clone()];
        Axes::new(vec![x.clone(), weight.clone(), weight], vec![x]).with_length(within.id, self.size)
    }

    fn bound_because(&self) -> &'static str {
        "normalises over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        normalisation(inputs, outputs, 8.0, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma, beta] = take("group_norm", inputs)?;
        let plane: usize = x.shape()[2..].iter().product();
        let mut y = x.clone();
        y.data_mut().chunks_mut((self.size * plane).max(1)).for_each(|group| normalise(group, self.epsilon));
        for (i, row) in y.data_mut().chunks_mut(plane.max(1)).enumerate() {
            let channel = i % gamma.data().len();
            row.iter_mut().for_each(|v| *v = *v * gamma.data()[channel] + beta.data()[channel]);
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, GroupNorm, Operator};
    use crate::fact::Fact;

    #[test]
    fn a_group_is_normalised_as_one() {
        let x = Array::new(vec![1, 4, 1], vec![1.0, 3.0, 10.0, 30.0]).unwrap();
        let (gamma, beta) =
            (Array::full(&[4], 1.0), Array::new(vec![4], vec![0.0, 1.0, 2.0, 3.0]).unwrap());
        let y = GroupNorm { size: 2, epsilon: 0.0 }.eval(&[&x, &gamma, &beta]).unwrap();
        assert_eq!(y[0].data(), [-1.0, 2.0, 1.0, 4.0]);
    }

    #[test]
    fn whole_groups_may_thin_out() {
        let (x, w) = (Fact::fixed(&[1, 4, 5]), Fact::fixed(&[4]));
        assert_eq!(GroupNorm { size: 2, epsilon: 0.0 }.axes(&[&x, &w, &w]).to_string(), "a(bD)C,(bD),(bD)->a(bD)C d=2");
    }

    #[test]
    fn groups_must_divide_the_channels() {
        let (x, w) = (Fact::fixed(&[1, 4, 1]), Fact::fixed(&[4]));
        assert!(GroupNorm { size: 3, epsilon: 0.0 }.infer(&[&x, &w, &w]).is_err());
    }
}
