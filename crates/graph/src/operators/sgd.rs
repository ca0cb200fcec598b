//! A step of stochastic gradient descent.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent as PyTorch steps: inputs weight, gradient, velocity (of one shape) and learning rate (a single number); outputs the
/// new weight and velocity.
///
/// With `g = gradient + decay * weight`: `velocity = momentum * velocity + g`, and the weight moves by `-rate * velocity`, or by
/// `-rate * (g + momentum * velocity)` after Nesterov. A velocity of zero is that of the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Part of the velocity that stays.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// Looks ahead along the velocity.
    pub nesterov: bool,
}

impl Operator for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn family(&self) -> Family {
        Family::Update
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [weight, gradient, velocity, rate] = take("sgd", inputs)?;
        let fits = weight.shape == gradient.shape && weight.shape == velocity.shape && rate.rank() == 0;
        ensure(fits, "sgd", || format!("weight {weight}, gradient {gradient}, velocity {velocity}, rate {rate}"))?;
        Ok(vec![weight.clone(), velocity.clone()])
    }

    /// What is zero everywhere stays zero: it gets neither gradient, momentum nor decay.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let all = plain(inputs[0].rank());
        Axes::new(vec![all.clone(), all.clone(), all.clone(), Vec::new()], vec![all.clone(), all])
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        if phase == Phase::Update { element_wise(inputs, outputs, 3.0) } else { Work::default() }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [weight, gradient, velocity, rate] = take("sgd", inputs)?;
        let rate = f64::from(rate.data()[0]);
        let (mut weight, mut velocity) = (weight.clone(), velocity.clone());
        for ((w, v), &g) in weight.data_mut().iter_mut().zip(velocity.data_mut()).zip(gradient.data()) {
            let g = f64::from(g) + self.decay * f64::from(*w);
            let speed = self.momentum * f64::from(*v) + g;
            let step = if self.nesterov { g + self.momentum * speed } else { speed };
            (*w, *v) = ((f64::from(*w) - rate * step) as f32, speed as f32);
        }
        Ok(vec![weight, velocity])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Operator, Sgd};

    fn step(op: &Sgd) -> [f32; 2] {
        let [weight, gradient, velocity] = [2.0, 1.0, 4.0].map(|v| Array::full(&[1], v));
        let y = op.eval(&[&weight, &gradient, &velocity, &Array::full(&[], 0.5)]).unwrap();
        [y[0].data()[0], y[1].data()[0]]
    }

    #[test]
    fn one_step_by_hand() {
        assert_eq!(step(&Sgd { momentum: 0.0, decay: 0.0, nesterov: false }), [1.5, 1.0]);
        assert_eq!(step(&Sgd { momentum: 0.5, decay: 0.25, nesterov: false }), [0.25, 3.5]);
        assert_eq!(step(&Sgd { momentum: 0.5, decay: 0.25, nesterov: true }), [0.375, 3.5]);
    }
}
