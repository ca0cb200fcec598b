//! Normalisation by the root mean square over the last axes.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, normalisation};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// `x / sqrt(mean(x²) + epsilon) * gamma` over as many of the last axes as gamma has (Zhang & Sennrich, 2019); inputs x and gamma.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmsNorm {
    /// Added to the mean of the squares.
    pub epsilon: f64,
}

impl Operator for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn family(&self) -> Family {
        Family::Normalisation
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [x, gamma] = take("rms_norm", inputs)?;
        let fits = gamma.rank() >= 1 && x.shape.ends_with(&gamma.shape);
        ensure(fits, "rms_norm", || format!("gamma {gamma} does not fit {x}"))?;
        Ok(vec![x.clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[0].rank();
        let first = rank - inputs[1].rank();
        let x = plain_with_bound(rank, &(first..rank).collect::<Vec<_>>());
        Axes::new(vec![x.clone(), x[first..].to_vec()], vec![x])
    }

    fn bound_because(&self) -> &'static str {
        "normalises over the axis"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        normalisation(inputs, outputs, 4.0, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [x, gamma] = take("rms_norm", inputs)?;
        let mut y = x.clone();
        for row in y.data_mut().chunks_mut(gamma.data().len().max(1)) {
            let squares: f64 = row.iter().map(|&v| f64::from(v).powi(2)).sum();
            let scale = 1.0 / (squares / row.len() as f64 + self.epsilon).sqrt();
            row.iter_mut().zip(gamma.data()).for_each(|(v, &g)| *v = (f64::from(*v) * scale * f64::from(g)) as f32);
        }
        Ok(vec![y])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, RmsNorm};

    #[test]
    fn a_row_gets_the_length_of_its_weights() {
        let (x, gamma) = (Array::new(vec![1, 2], vec![6.0, 8.0]).unwrap(), Array::new(vec![2], vec![1.0, 2.0]).unwrap());
        let y = RmsNorm { epsilon: 0.0 }.eval(&[&x, &gamma]).unwrap();
        let expected = [6.0 / 50.0_f32.sqrt(), 16.0 / 50.0_f32.sqrt()];
        assert!(y[0].distance(&Array::new(vec![1, 2], expected.to_vec()).unwrap()) < 1e-6);
    }
}
