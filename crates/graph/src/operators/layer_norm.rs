//! Layer normalisation over the last axis.
use super::ensure;
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the last axis; inputs x, gamma and, optionally, beta.
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
        let fits = |weight: &&Fact| x.rank() >= 1 && weight.shape[..] == x.shape[x.rank() - 1..];
        ensure(weights.iter().all(fits), "layer_norm", || format!("weights do not fit {x}"))?;
        Ok(vec![(*x).clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let x = plain_with_bound(rank, &[rank - 1]);
        let weights = inputs[1..].iter().map(|_| x[rank - 1..].to_vec());
        Axes::new(std::iter::once(x.clone()).chain(weights).collect(), vec![x])
    }

    fn bound_because(&self) -> &'static str {
        "normalises over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        match phase {
            Phase::Forward | Phase::BackwardInput => element_wise(inputs, outputs, 8.0),
            Phase::BackwardWeight => element_wise(inputs, outputs, 2.0),
            Phase::Update => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma, beta @ ..] = inputs else { return Err(Error::new("layer_norm", "expected 2 or 3 inputs")) };
        let width = gamma.data().len();
        let mut y = (*x).clone();
        for row in y.data_mut().chunks_mut(width.max(1)) {
            let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / width as f64;
            let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            for (i, v) in row.iter_mut().enumerate() {
                let shift = beta.first().map_or(0.0, |b| f64::from(b.data()[i]));
                *v = ((f64::from(*v) - mean) * scale * f64::from(gamma.data()[i]) + shift) as f32;
            }
        }
        Ok(vec![y])
    }
}
