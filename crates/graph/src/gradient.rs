//! The contract of a gradient rule.
use crate::error::Result;
use crate::fact::Fact;
use crate::graph::Value;
use crate::operators::Op;
use crate::tape::Tape;

/// An operator in its place, and what is to be passed back through it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The operator.
    pub op: &'a Op,
    /// What it reads.
    pub inputs: &'a [Value],
    /// What it makes.
    pub outputs: &'a [Value],
    /// The gradient of the loss by each output; none where the loss does not depend on it.
    pub gradients: &'a [Option<Value>],
}

impl Call<'_> {
    /// The gradient by the first output.
    pub fn gradient(&self) -> Option<Value> {
        self.gradients.first().copied().flatten()
    }

    /// What is known of an input.
    pub fn fact<'t>(&self, tape: &'t Tape, input: usize) -> &'t Fact {
        tape.fact(self.inputs[input])
    }
}

/// Adds to the tape what computes the gradient of the loss by one input of an operator, and says where it is: `None` when it is zero everywhere.
///
/// # Errors
/// When the rule does not cover the operator's settings.
pub type Rule = fn(&mut Tape, &Call<'_>, input: usize) -> Result<Option<Value>>;
