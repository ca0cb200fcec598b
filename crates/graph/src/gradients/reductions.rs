//! Many elements become one.
use crate::error::{Error, Result};
use crate::fact::Dim;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{BinaryFunction, Op, Reduction, UnaryFunction};
use crate::tape::Tape;

/// The gradient is repeated along the reduced axes, times the slope. Of equal extremes each gets its part.
pub fn reduce(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Reduce(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let x = call.inputs[0];
    let mut kept = tape.shape(x);
    op.axes.iter().for_each(|&axis| kept[axis] = Dim::Fixed(1));
    let (g, y) = (tape.reshape(g, &kept)?, tape.reshape(call.outputs[0], &kept)?);
    let full = match op.reduction {
        Reduction::Sum => tape.repeat(g, x),
        Reduction::Mean => {
            let count = tape.count(x, &op.axes)?;
            let part = tape.over(g, count)?;
            tape.repeat(part, x)
        }
        Reduction::Max | Reduction::Min => {
            let extreme = tape.join(BinaryFunction::Equal, x, y)?;
            let extreme = tape.floats(extreme)?;
            let ties = tape.reduce(Reduction::Sum, &op.axes, extreme)?;
            let part = tape.over(g, ties)?;
            tape.times(extreme, part)
        }
        Reduction::L1 => {
            let sign = tape.map(UnaryFunction::Sign, x)?;
            tape.times(sign, g)
        }
        Reduction::L2 => {
            let part = tape.over(g, y)?;
            tape.times(x, part)
        }
        Reduction::SumSquare => {
            let twice = tape.line(2.0, 0.0, g)?;
            tape.times(x, twice)
        }
        Reduction::Prod => return Err(Error::new("prod", "has no gradient rule")),
    };
    full.map(Some)
}
