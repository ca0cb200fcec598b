//! Long short-term memory.
use crate::array::Array;
use crate::axes::Axes;
use crate::error::Result;
use crate::fact::Fact;
use crate::operator::{Family, Operator};
use crate::phase::Phase;
use crate::recurrence::{Recurrence, sigmoid};
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Long short-term memory (Hochreiter & Schmidhuber, 1997) with ONNX's operands, see [`Recurrence`]: gates are stacked in the order input, output,
/// forget, cell; there are two states, hidden and cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lstm {
    /// How it walks over its input.
    #[serde(flatten)]
    pub recurrence: Recurrence,
}

impl Operator for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn family(&self) -> Family {
        Family::Recurrent
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        self.recurrence.infer("lstm", 4, 2, inputs)
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        self.recurrence.axes(2)
    }

    fn bound_because(&self) -> &'static str {
        "each step depends on the one before"
    }

    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        self.recurrence.work(inputs, outputs, phase)
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        self.recurrence.eval("lstm", 2, inputs, |step, states| {
            let [hidden, memory] = states else { return };
            let last = hidden.clone();
            for (j, (h, c)) in hidden.iter_mut().zip(memory).enumerate() {
                let [input, output, forget, cell] = [0, 1, 2, 3].map(|g| step.input(g, j) + step.recurrent(g, j, &last));
                *c = sigmoid(forget) * *c + sigmoid(input) * cell.tanh();
                *h = sigmoid(output) * c.tanh();
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Lstm, Operator, Recurrence, sigmoid};
    use crate::recurrence::Direction;

    #[test]
    fn two_steps_by_hand() {
        let recurrence = Recurrence { direction: Direction::Forward, bias: false, initial: false, batch_first: false };
        let x = Array::new(vec![2, 1, 1], vec![1.0, 0.5]).unwrap();
        let w = Array::new(vec![1, 4, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let y = Lstm { recurrence }.eval(&[&x, &w, &Array::full(&[1, 4, 1], 1.0)]).unwrap();
        let c = sigmoid(1.0) * 4.0_f64.tanh();
        let h = sigmoid(2.0) * c.tanh();
        let c2 = sigmoid(1.5 + h) * c + sigmoid(0.5 + h) * (2.0 + h).tanh();
        let h2 = sigmoid(1.0 + h) * c2.tanh();
        assert!(y[0].distance(&Array::new(vec![2, 1, 1, 1], vec![h as f32, h2 as f32]).unwrap()) < 1e-6);
        assert!(y[2].distance(&Array::full(&[1, 1, 1], c2 as f32)) < 1e-6);
    }

    #[test]
    fn the_order_of_the_gates_and_states_is_in_the_axes() {
        let recurrence = Recurrence { direction: Direction::Forward, bias: true, initial: true, batch_first: false };
        let axes = Lstm { recurrence }.axes(&[]).to_string();
        assert_eq!(axes, "Tbi,D(Gh)i,D(Gh)h,D(Kh),Dbh,Dbh->TDbh,Dbh,Dbh");
    }
}
