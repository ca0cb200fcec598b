//! What goes back through an operator.
use super::ensure;
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::extent::Extent;
use crate::operator::{Family, Operator};
use crate::operators::Op;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// The gradient by one input of an operator with one output: reads what the operator reads, then the gradient by its output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backward {
    /// The operator.
    pub of: Box<Op>,
    /// The input.
    pub input: usize,
}

impl Operator for Backward {
    fn name(&self) -> &'static str {
        "backward"
    }

    fn family(&self) -> Family {
        self.of.family()
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let Some((gradient, operands)) = inputs.split_last() else { return Err(Error::new("backward", "no inputs")) };
        ensure(self.input < operands.len(), "backward", || format!("input {} of {}", self.input, operands.len()))?;
        let facts = self.of.infer(operands)?;
        ensure(facts.iter().eq([*gradient]), "backward", || format!("gradient {gradient} does not fit the output of {}", self.of.name()))?;
        Ok(vec![operands[self.input].clone()])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        self.of.axes(&inputs[..inputs.len() - 1]).backward(self.input)
    }

    fn bound_because(&self) -> &'static str {
        self.of.bound_because()
    }

    /// What the operator states for its own backward phase; in a graph of its own it is all forward.
    fn work(&self, inputs: &[&Fact], _outputs: &[Fact], phase: Phase) -> Work {
        let (operands, gradient) = inputs.split_at(inputs.len() - 1);
        let own = if self.input == 0 { Phase::BackwardInput } else { Phase::BackwardWeight };
        if phase == Phase::Forward { self.of.work(operands, &[gradient[0].clone()], own) } else { Work::default() }
    }

    fn shrink(&mut self, inputs: &[Extent], _outputs: &[Extent]) {
        let (operands, gradient) = inputs.split_at(inputs.len() - 1);
        self.of.shrink(operands, gradient);
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let (operands, gradients) = inputs.split_at(inputs.len() - 1);
        Ok(vec![self.of.backward(operands, gradients[0], self.input)?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Backward, Operator};
    use crate::fact::Fact;
    use crate::operators::{Pool, PoolFunction};
    use crate::window::Window;

    #[test]
    fn the_gradient_goes_to_the_largest() {
        let pool = Pool { function: PoolFunction::Max, window: Window::new(&[2], &[2]) };
        let op = Backward { of: Box::new(pool.into()), input: 0 };
        let x = Array::new(vec![1, 1, 4], vec![1.0, 3.0, 2.0, 2.0]).unwrap();
        let g = Array::new(vec![1, 1, 2], vec![5.0, 7.0]).unwrap();
        assert_eq!(op.eval(&[&x, &g]).unwrap()[0].data(), [0.0, 5.0, 7.0, 0.0]);
        let facts = [Fact::fixed(&[1, 1, 4]), Fact::fixed(&[1, 1, 2])];
        assert_eq!(op.infer(&[&facts[0], &facts[1]]), Ok(vec![facts[0].clone()]));
        assert_eq!(op.axes(&[&facts[0], &facts[1]]).to_string(), "abC,abD->abC");
        assert!(op.infer(&[&facts[0], &facts[0]]).is_err());
    }
}
