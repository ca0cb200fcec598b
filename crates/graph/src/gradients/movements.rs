//! Elements that move.
use crate::error::{Error, Result};
use crate::fact::Dim;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{Border, Concat, Cut, Op, Pad, Slice};
use crate::tape::Tape;

/// Back to the shape of the input.
pub fn reshape(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let shape = tape.shape(call.inputs[0]);
    tape.reshape(g, &shape).map(Some)
}

/// Back to the order of the input.
pub fn permute(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Permute(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let back = inverse(&op.order);
    tape.permute(g, &back).map(Some)
}

/// The permutation that takes another one back.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    back
}

/// The sum over what was repeated.
pub fn expand(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let shape = tape.shape(call.inputs[0]);
    tape.sum_to(g, &shape).map(Some)
}

/// The part that the input became.
pub fn concat(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Concat(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let length = |i: usize| call.fact(tape, i).shape[op.axis].count();
    let start: usize = (0..input).map(length).sum();
    let cut = Cut { axis: op.axis, start, end: start + length(input), step: 1 };
    tape.add(Slice { cuts: vec![cut] }, &[g]).map(Some)
}

/// The gradients of the parts, one after the other; zeros where there is none.
pub fn split(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let Op::Split(op) = call.op else { return Ok(None) };
    let mut parts = Vec::new();
    for (&output, gradient) in call.outputs.iter().zip(call.gradients) {
        parts.push(match gradient {
            Some(gradient) => *gradient,
            None => {
                let ones = tape.ones_like(output)?;
                tape.line(0.0, 0.0, ones)?
            }
        });
    }
    tape.add(Concat { axis: op.axis }, &parts).map(Some)
}

/// Zeros around the part that was taken.
pub fn slice(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Slice(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let shape = &call.fact(tape, 0).shape;
    let mut widths = vec![[0, 0]; shape.len()];
    for cut in &op.cuts {
        if cut.step != 1 {
            return Err(Error::new("slice", format!("no gradient rule for a step of {}", cut.step)));
        }
        widths[cut.axis] = [cut.start, shape[cut.axis].count().saturating_sub(cut.end)];
    }
    tape.add(Pad { widths, border: Border::Value(0.0) }, &[g]).map(Some)
}

/// What lies within the border, if the border is a value.
pub fn pad(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Pad(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let Border::Value(_) = op.border else {
        return Err(Error::new("pad", format!("no gradient rule for a border of {:?}", op.border)));
    };
    let shape = &call.fact(tape, 0).shape;
    let padded = op.widths.iter().enumerate().filter(|(_, widths)| **widths != [0, 0]);
    let cut =
        |(axis, &[start, _]): (usize, &[usize; 2])| Cut { axis, start, end: start + shape[axis].count(), step: 1 };
    let cuts = padded.map(cut).collect();
    tape.add(Slice { cuts }, &[g]).map(Some)
}

/// Each slice gets the sum of the gradients of its places: a product with a matrix of zeros and ones.
pub fn gather(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Gather(op), Some(g), 0) = (call.op, call.gradient(), input) else { return Ok(None) };
    let (shape, indices) = (tape.shape(call.inputs[0]), call.fact(tape, 1).rank());
    let chosen = tape.one_hot(call.inputs[1], shape[op.axis].count())?;
    let chosen = tape.flatten_leading(chosen, 1)?;
    let chosen = tape.transpose(chosen)?;
    let first: Vec<usize> = (op.axis..op.axis + indices).collect();
    let others: Vec<usize> = (0..tape.rank(g)).filter(|axis| !first.contains(axis)).collect();
    let g = tape.permute(g, &[first, others].concat())?;
    let g = tape.flatten_leading(g, shape.len() - 1)?;
    let rest = tape.shape(g).split_off(1);
    let flat = [tape.shape(g)[0], Dim::product(&rest).ok_or_else(|| Error::new("gather", "more than one batch axis"))?];
    let g = tape.reshape(g, &flat)?;
    let summed = tape.product(chosen, g)?;
    let summed = tape.reshape(summed, &[&[shape[op.axis]], &rest[..]].concat())?;
    let mut order: Vec<usize> = (1..shape.len()).collect();
    order.insert(op.axis, 0);
    tape.permute(summed, &order).map(Some)
}
