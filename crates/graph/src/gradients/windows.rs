//! Operators that say themselves what goes back through them.
use crate::error::Result;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::Backward;
use crate::tape::Tape;

/// One operator that reads what the forward one reads, and the gradients by its outputs.
pub fn backward(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let operands = [call.inputs, &[g]].concat();
    tape.add(Backward { of: Box::new(call.op.clone()), input }, &operands).map(Some)
}
