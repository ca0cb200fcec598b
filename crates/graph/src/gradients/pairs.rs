//! Functions of two elements, with broadcasting.
use crate::error::Result;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{BinaryFunction, Op, UnaryFunction};
use crate::tape::Tape;

/// The slope along one operand, summed over what was repeated.
pub fn binary(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Binary(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let operands = [call.inputs[0], call.inputs[1]];
    let Some(full) = along(tape, op.function, operands, call.outputs[0], (g, input == 0))? else { return Ok(None) };
    let shape = tape.shape(call.inputs[input]);
    tape.sum_to(full, &shape).map(Some)
}

fn along(
    tape: &mut Tape,
    function: BinaryFunction,
    [a, b]: [Value; 2],
    y: Value,
    (g, left): (Value, bool),
) -> Result<Option<Value>> {
    use BinaryFunction as F;
    let full = match (function, left) {
        (F::Add, _) | (F::Sub | F::Modulo, true) => Ok(g),
        (F::Sub, false) => tape.line(-1.0, 0.0, g),
        (F::Mul, true) => tape.times(g, b),
        (F::Mul, false) => tape.times(g, a),
        (F::Div, true) => tape.over(g, b),
        (F::Div, false) => {
            let slope = tape.over(y, b)?;
            let slope = tape.line(-1.0, 0.0, slope)?;
            tape.times(g, slope)
        }
        (F::Pow, true) => {
            let less = tape.line(1.0, -1.0, b)?;
            let power = tape.join(F::Pow, a, less)?;
            let slope = tape.times(b, power)?;
            tape.times(g, slope)
        }
        (F::Pow, false) => {
            let log = tape.map(UnaryFunction::Log, a)?;
            let slope = tape.times(y, log)?;
            tape.times(g, slope)
        }
        (F::Min, true) => where_it_holds(tape, F::LessOrEqual, a, b, g),
        (F::Min, false) => where_it_holds(tape, F::Less, b, a, g),
        (F::Max, true) => where_it_holds(tape, F::GreaterOrEqual, a, b, g),
        (F::Max, false) => where_it_holds(tape, F::Greater, b, a, g),
        (F::Prelu, true) => {
            let (zero, scaled) = (tape.number(0.0)?, tape.times(g, b)?);
            let negative = tape.join(F::Less, a, zero)?;
            tape.choose(negative, scaled, g)
        }
        (F::Prelu, false) => {
            let (zero, scaled) = (tape.number(0.0)?, tape.times(g, a)?);
            where_it_holds(tape, F::Less, a, zero, scaled)
        }
        _ => return Ok(None),
    };
    full.map(Some)
}

fn where_it_holds(tape: &mut Tape, predicate: BinaryFunction, a: Value, b: Value, g: Value) -> Result<Value> {
    let (condition, zero) = (tape.join(predicate, a, b)?, tape.number(0.0)?);
    tape.choose(condition, g, zero)
}

/// The gradient goes to the operand that was chosen.
pub fn choice(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Some(g), 1..) = (call.gradient(), input) else { return Ok(None) };
    let zero = tape.number(0.0)?;
    let (a, b) = if input == 1 { (g, zero) } else { (zero, g) };
    let full = tape.choose(call.inputs[0], a, b)?;
    let shape = tape.shape(call.inputs[input]);
    tape.sum_to(full, &shape).map(Some)
}
