//! Batch normalisation by stored statistics.
use super::{ensure, take};
use crate::array::{Array, each_index};
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, normalisation};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` for each channel: inputs x `[batch, channel, ..]`, then gamma, beta, mean and variance
/// `[channel]`, in the order of ONNX. With stored statistics a channel knows of no other (Ioffe & Szegedy, 2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn family(&self) -> Family {
        Family::ElementWise
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, weights @ ..] = take::<_, 5>("batch_norm", inputs)?;
        let fits = |weight: &&Fact| x.rank() >= 2 && weight.shape[..] == x.shape[1..2];
        ensure(weights.iter().all(fits), "batch_norm", || format!("weights do not fit the channels of {x}"))?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let x = plain(inputs[0].rank());
        let weights = inputs[1..].iter().map(|_| x[1..2].to_vec());
        Axes::new(std::iter::once(x.clone()).chain(weights).collect(), vec![x])
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        normalisation(inputs, outputs, 2.0, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma, beta, mean, variance] = take("batch_norm", inputs)?;
        let line = |c: usize| {
            let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|w| f64::from(w.data()[c]));
            let scale = gamma / (variance + self.epsilon).sqrt();
            (scale, beta - mean * scale)
        };
        let lines: Vec<(f64, f64)> = (0..x.shape()[1]).map(line).collect();
        let mut data = x.data().iter();
        let mut y = Vec::with_capacity(x.data().len());
        each_index(x.shape(), |at| {
            let (scale, shift) = lines[at[1]];
            y.extend(data.next().map(|&v| (f64::from(v) * scale + shift) as f32));
        });
        Ok(vec![Array::new(x.shape().to_vec(), y)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, BatchNorm, Operator};
    use crate::fact::Fact;

    #[test]
    fn each_channel_has_its_own_line() {
        let x = Array::new(vec![1, 2, 2], vec![1.0, 3.0, 1.0, 3.0]).unwrap();
        let [gamma, beta, mean, variance] =
            [[2.0, 1.0], [0.5, 0.0], [1.0, 3.0], [3.0, 0.0]].map(|w| Array::new(vec![2], w.to_vec()).unwrap());
        let y = BatchNorm { epsilon: 1.0 }.eval(&[&x, &gamma, &beta, &mean, &variance]).unwrap();
        assert_eq!(y[0].data(), [0.5, 2.5, -2.0, 0.0]);
    }

    #[test]
    fn channels_thin_out_with_their_weights() {
        let (x, w) = (Fact::fixed(&[2, 3, 4]), Fact::fixed(&[3]));
        assert_eq!(BatchNorm { epsilon: 1e-5 }.axes(&[&x, &w, &w, &w, &w]).to_string(), "abc,b,b,b,b->abc");
    }
}
