//! A step of Adam.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain};
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Adam (Kingma & Ba, 2015), and AdamW with `decoupled` decay (Loshchilov & Hutter, 2019): inputs weight, gradient, first and second moment (of one
/// shape), learning rate and number of the step, from 1 (single numbers); outputs the new weight and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Parts of the first and second moment that stay.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay.
    pub decay: f64,
    /// Whether the decay shrinks the weight itself, and is not added to the gradient.
    pub decoupled: bool,
}

impl Adam {
    /// New weight, first and second moment of one element.
    fn step(&self, [w, g, m, v]: [f64; 4], rate: f64, step: f64) -> [f64; 3] {
        let [b1, b2] = self.betas;
        let g = if self.decoupled { g } else { g + self.decay * w };
        let (m, v) = (b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g * g);
        let (mean, square) = (m / (1.0 - b1.powf(step)), v / (1.0 - b2.powf(step)));
        let shrunk = if self.decoupled { w * (1.0 - rate * self.decay) } else { w };
        [shrunk - rate * mean / (square.sqrt() + self.epsilon), m, v]
    }
}

impl Operator for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn family(&self) -> Family {
        Family::Update
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [weight, same @ .., rate, step] = take::<_, 6>("adam", inputs)?;
        let fits = same.iter().all(|fact| fact.shape == weight.shape) && rate.rank() == 0 && step.rank() == 0;
        ensure(fits, "adam", || format!("operands do not fit weight {weight}, or rate and step are no single numbers"))?;
        Ok(vec![weight.clone(), same[1].clone(), same[2].clone()])
    }

    /// What is zero everywhere stays zero: it gets neither gradient, moments nor decay.
    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let all = plain(inputs[0].rank());
        let single = || std::iter::repeat_n(Vec::new(), 2);
        Axes::new(std::iter::repeat_n(all.clone(), 4).chain(single()).collect(), vec![all; 3])
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        if phase == Phase::Update { element_wise(inputs, outputs, 4.0) } else { Work::default() }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [weight, gradient, first, second, rate, step] = take("adam", inputs)?;
        let (rate, step) = (f64::from(rate.data()[0]), f64::from(step.data()[0]));
        let mut outputs = vec![weight.clone(), first.clone(), second.clone()];
        for i in 0..weight.data().len() {
            let element = [weight, gradient, first, second].map(|array| f64::from(array.data()[i]));
            let made = self.step(element, rate, step);
            outputs.iter_mut().zip(made).for_each(|(output, v)| output.data_mut()[i] = v as f32);
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::Adam;

    #[test]
    fn the_first_step_is_as_long_as_the_rate() {
        let adam = Adam { betas: [0.9, 0.999], epsilon: 0.0, decay: 0.0, decoupled: false };
        let [w, m, v] = adam.step([1.0, -3.0, 0.0, 0.0], 0.1, 1.0);
        assert!((w - 1.1).abs() < 1e-9 && (m + 0.3).abs() < 1e-12 && (v - 0.009).abs() < 1e-12);
    }

    #[test]
    fn decoupled_decay_leaves_the_moments_alone() {
        let adam = Adam { betas: [0.5, 0.5], epsilon: 1.0, decay: 0.1, decoupled: true };
        assert_eq!(adam.step([2.0, 0.0, 0.0, 0.0], 0.5, 3.0), [1.9, 0.0, 0.0]);
        let coupled = Adam { decoupled: false, ..adam };
        assert!(coupled.step([2.0, 0.0, 0.0, 0.0], 0.5, 3.0)[1] > 0.0);
    }
}
