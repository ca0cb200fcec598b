//! Normalisation of each channel of each sample.
use super::{ensure, normalise, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, normalisation};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the axes behind the channels (Ulyanov et al., 2016): inputs x
/// `[batch, channel, ..]`, gamma and beta `[channel]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl Operator for InstanceNorm {
    fn name(&self) -> &'static str {
        "instance_norm"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, gamma, beta] = take("instance_norm", inputs)?;
        let fits = |weight: &Fact| x.rank() >= 3 && weight.shape[..] == x.shape[1..2];
        ensure(fits(gamma) && fits(beta), "instance_norm", || format!("weights do not fit the channels of {x}"))?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = plain_with_bound(rank, &(2..rank).collect::<Vec<_>>());
        Axes::new(vec![x.clone(), x[1..2].to_vec(), x[1..2].to_vec()], vec![x])
    }

    fn bound_because(&self) -> &'static str {
        "normalises over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        normalisation(inputs, outputs, 8.0, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma, beta] = take("instance_norm", inputs)?;
        let plane: usize = x.shape()[2..].iter().product();
        let mut y = x.clone();
        for (i, row) in y.data_mut().chunks_mut(plane.max(1)).enumerate() {
            let channel = i % gamma.data().len();
            normalise(row, self.epsilon);
            row.iter_mut().for_each(|v| *v = *v * gamma.data()[channel] + beta.data()[channel]);
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, InstanceNorm, Operator};
    use crate::fact::Fact;

    #[test]
    fn channels_know_nothing_of_each_other() {
        let x = Array::new(vec![1, 2, 2], vec![1.0, 3.0, 10.0, 30.0]).unwrap();
        let (gamma, beta) = (Array::full(&[2], 1.0), Array::new(vec![2], vec![0.0, 5.0]).unwrap());
        let y = InstanceNorm { epsilon: 0.0 }.eval(&[&x, &gamma, &beta]).unwrap();
        assert_eq!(y[0].data(), [-1.0, 1.0, 4.0, 6.0]);
    }

    #[test]
    fn channels_may_thin_out() {
        let (x, w) = (Fact::fixed(&[1, 2, 2]), Fact::fixed(&[2]));
        assert_eq!(InstanceNorm { epsilon: 0.0 }.axes(&[&x, &w, &w]).to_string(), "abC,b,b->abC");
    }
}
