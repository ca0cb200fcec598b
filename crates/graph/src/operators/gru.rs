//! Gated recurrent unit.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::recurrence::{Recurrence, sigmoid};
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Gated recurrent unit (Cho et al., 2014) with ONNX's operands, see [`Recurrence`]: gates are stacked in the order update, reset, hidden; there is
/// one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gru {
    /// How it walks over its input.
    #[serde(flatten)]
    pub recurrence: Recurrence,
    /// Whether the reset gate is applied behind the recurrent weights, as PyTorch does, and not before them.
    pub reset_after: bool,
}

impl Operator for Gru {
    fn name(&self) -> &'static str {
        "gru"
    }

    fn family(&self) -> Family {
        Family::Recurrent
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        self.recurrence.infer("gru", 3, 1, inputs)
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        self.recurrence.axes(1)
    }

    fn bound_because(&self) -> &'static str {
        "each step depends on the one before"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        self.recurrence.work(inputs, outputs, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        self.recurrence.eval("gru", 1, inputs, |step, states| {
            let last = states[0].clone();
            let units = 0..last.len();
            let gate = |g: usize, j: usize| sigmoid(step.input(g, j) + step.recurrent(g, j, &last));
            let reset: Vec<f64> = units.clone().map(|j| gate(1, j)).collect();
            let damped: Vec<f64> = reset.iter().zip(&last).map(|(r, h)| r * h).collect();
            for j in units {
                let past =
                    if self.reset_after { reset[j] * step.recurrent(2, j, &last) } else { step.recurrent(2, j, &damped) };
                let update = gate(0, j);
                states[0][j] = (1.0 - update) * (step.input(2, j) + past).tanh() + update * last[j];
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Gru, Operator, Recurrence, sigmoid};
    use crate::recurrence::Direction;

    #[test]
    fn one_step_from_a_given_state_backwards() {
        let recurrence = Recurrence { direction: Direction::Reverse, bias: false, initial: true, batch_first: true };
        let x = Array::new(vec![1, 1, 1], vec![1.0]).unwrap();
        let w = Array::new(vec![1, 3, 1], vec![0.5, 1.0, 2.0]).unwrap();
        let (r, h) = (Array::full(&[1, 3, 1], 1.0), Array::full(&[1, 1, 1], 0.25));
        let y = Gru { recurrence, reset_after: true }.eval(&[&x, &w, &r, &h]).unwrap();
        let (z, reset) = (sigmoid(0.75), sigmoid(1.25));
        let expected = (1.0 - z) * (2.0 + reset * 0.25_f64).tanh() + z * 0.25;
        assert!(y[0].distance(&Array::full(&[1, 1, 1, 1], expected as f32)) < 1e-6);
        assert_eq!(y[1].data(), y[0].data());
    }
}
