//! Layer normalisation over the last axes.
use super::{ensure, normalise};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::{Family, Operator, normalisation};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over as many of the last axes as gamma has (Ba et al., 2016); inputs x, gamma and,
/// optionally, beta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        ensure((2..=3).contains(&inputs.len()), "layer_norm", || format!("{} inputs, expected 2 or 3", inputs.len()))?;
        let (x, weights) = (inputs[0], &inputs[1..]);
        let rank = weights[0].rank();
        let fits = |weight: &&Fact| weight.rank() == rank && x.shape.ends_with(&weight.shape);
        ensure(rank >= 1 && weights.iter().all(fits), "layer_norm", || format!("weights do not fit {x}"))?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let first = rank - inputs[1].rank();
        let x = plain_with_bound(rank, &(first..rank).collect::<Vec<_>>());
        let weights = inputs[1..].iter().map(|_| x[first..].to_vec());
        Axes::new(std::iter::once(x.clone()).chain(weights).collect(), vec![x])
    }

    fn bound_because(&self) -> &'static str {
        "normalises over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        normalisation(inputs, outputs, 8.0, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma, beta @ ..] = inputs else { return Err(Error::new("layer_norm", "expected 2 or 3 inputs")) };
        let mut y = (*x).clone();
        for row in y.data_mut().chunks_mut(gamma.data().len().max(1)) {
            normalise(row, self.epsilon);
            row.iter_mut().zip(gamma.data()).for_each(|(v, gamma)| *v *= gamma);
            if let Some(beta) = beta.first() {
                row.iter_mut().zip(beta.data()).for_each(|(v, beta)| *v += beta);
            }
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, LayerNorm, Operator};
    use crate::fact::Fact;

    #[test]
    fn two_axes_are_normalised_together() {
        let x = Array::new(vec![1, 2, 2], vec![1.0, 1.0, 3.0, 3.0]).unwrap();
        let (gamma, beta) = (Array::full(&[2, 2], 2.0), Array::new(vec![2, 2], vec![0.0, 1.0, 0.0, 1.0]).unwrap());
        let y = LayerNorm { epsilon: 0.0 }.eval(&[&x, &gamma, &beta]).unwrap();
        assert_eq!(y[0].data(), [-2.0, -1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_axes_of_gamma_are_bound() {
        let facts = [Fact::fixed(&[5, 2, 3]), Fact::fixed(&[2, 3])];
        assert_eq!(LayerNorm { epsilon: 0.0 }.axes(&[&facts[0], &facts[1]]).to_string(), "aBC,BC->aBC");
    }
}
