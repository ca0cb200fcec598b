//! Sums of products.
use crate::error::{Error, Result};
use crate::fact::{DType, Dim};
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{Constant, Linear, Op, Reduce, Reduction, Softmax, TopK, UnaryFunction};
use crate::tape::Tape;

/// `g Wᵀ`, `xᵀ g`, and the sum of g; where only some elements of x count, with zeros for the others.
pub fn linear(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Linear(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let counted = |tape: &mut Tape, value: Value| match op.active {
        Some(count) => {
            let magnitudes = tape.map(UnaryFunction::Abs, call.inputs[0])?;
            let mask = mask_of_greatest(tape, magnitudes, count)?;
            tape.times(value, mask)
        }
        None => Ok(value),
    };
    let made = match input {
        0 => {
            let transposed = tape.transpose(call.inputs[1])?;
            let all = tape.add(Linear::default(), &[g, transposed])?;
            counted(tape, all)
        }
        1 => {
            let x = counted(tape, call.inputs[0])?;
            let (x, g) = (tape.flatten_leading(x, 1)?, tape.flatten_leading(g, 1)?);
            let transposed = tape.transpose(x)?;
            tape.product(transposed, g)
        }
        _ => {
            let g = tape.flatten_leading(g, 1)?;
            tape.add(Reduce { reduction: Reduction::Sum, axes: vec![0], keep: false }, &[g])
        }
    };
    made.map(Some)
}

/// `g` with zeros but in the `kept` elements of an axis that have the largest magnitudes, summed over all others; of equals the first.
pub(crate) fn largest(tape: &mut Tape, g: Value, axis: usize, kept: usize) -> Result<Value> {
    let rows: Vec<usize> = (0..tape.rank(g)).filter(|&other| other != axis).collect();
    let count = tape.shape(g).get(axis).map_or(1, |dim| dim.count());
    let magnitudes = tape.map(UnaryFunction::Abs, g)?;
    let sums = tape.reduce(Reduction::Sum, &rows, magnitudes)?;
    let sums = tape.reshape(sums, &[Dim::Fixed(count)])?;
    let mask = mask_of_greatest(tape, sums, kept)?;
    let behind = tape.rank(g) - axis - 1;
    let mask = tape.reshape(mask, &[vec![Dim::Fixed(count)], vec![Dim::Fixed(1); behind]].concat())?;
    tape.times(g, mask)
}

/// One for the `count` greatest elements of the last axis, of equals the first, and zero for the others.
fn mask_of_greatest(tape: &mut Tape, scores: Value, count: usize) -> Result<Value> {
    let (axis, width) = (tape.rank(scores) - 1, tape.shape(scores).last().map_or(1, |dim| dim.count()));
    let top = tape.add(TopK { k: count, axis, least: false }, &[scores])?;
    let chosen = tape.one_hot(Value { slot: 1, ..top }, width)?;
    tape.add(Reduce { reduction: Reduction::Sum, axes: vec![axis], keep: false }, &[chosen])
}

/// `g Bᵀ` and `Aᵀ g`, summed over what was repeated.
pub fn matmul(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    if call.inputs.iter().any(|&operand| tape.rank(operand) < 2) {
        return Err(Error::new("matmul", "no gradient rule for a vector"));
    }
    let full = if input == 0 {
        let transposed = tape.transpose(call.inputs[1])?;
        tape.product(g, transposed)?
    } else {
        let transposed = tape.transpose(call.inputs[0])?;
        tape.product(transposed, g)?
    };
    let shape = tape.shape(call.inputs[input]);
    tape.sum_to(full, &shape).map(Some)
}

/// As for a matrix product, with the factors, and turned as the operands are.
pub fn gemm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Gemm(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    if input == 2 {
        let (scaled, shape) = (tape.line(op.beta, 0.0, g)?, tape.shape(call.inputs[2]));
        return tape.sum_to(scaled, &shape).map(Some);
    }
    let g = tape.line(op.alpha, 0.0, g)?;
    let (other, turned, stored) =
        if input == 0 { (1, op.transposed_b, op.transposed_a) } else { (0, op.transposed_a, op.transposed_b) };
    let other = if turned { call.inputs[other] } else { tape.transpose(call.inputs[other])? };
    let made = if input == 0 { tape.product(g, other)? } else { tape.product(other, g)? };
    if stored { tape.transpose(made).map(Some) } else { Ok(Some(made)) }
}

/// The gradient of a row is the sum of the gradients of its places: a product with a matrix of zeros and ones.
pub fn embedding(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Some(g), 0) = (call.gradient(), input) else { return Ok(None) };
    let chosen = tape.one_hot(call.inputs[1], call.fact(tape, 0).shape[0].count())?;
    let (chosen, g) = (tape.flatten_leading(chosen, 1)?, tape.flatten_leading(g, 1)?);
    let transposed = tape.transpose(chosen)?;
    tape.product(transposed, g).map(Some)
}

/// Through the softmax of the scores, which are computed again.
pub fn attention(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::Attention(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let [q, k, v] = [call.inputs[0], call.inputs[1], call.inputs[2]];
    let keys = tape.transpose(k)?;
    let scores = tape.product(q, keys)?;
    let mut scores = tape.line(op.scale, 0.0, scores)?;
    let axis = tape.rank(scores) - 1;
    if op.causal || op.near.is_some() {
        let shape = tape.shape(scores);
        let value = op.hidden([shape[axis - 1].count(), shape[axis].count()]);
        let hidden = tape.add(Constant { value, dtype: DType::F32 }, &[])?;
        scores = tape.sum(scores, hidden)?;
    }
    if let Some(&mask) = call.inputs.get(3) {
        scores = tape.sum(scores, mask)?;
    }
    let weights = tape.add(Softmax { axis }, &[scores])?;
    if input == 2 {
        let transposed = tape.transpose(weights)?;
        return tape.product(transposed, g).map(Some);
    }
    let values = tape.transpose(v)?;
    let back = tape.product(g, values)?;
    let weighted = tape.times(back, weights)?;
    let sum = tape.reduce(Reduction::Sum, &[axis], weighted)?;
    let centred = tape.difference(back, sum)?;
    let back = tape.times(weights, centred)?;
    if input == 3 {
        let shape = tape.shape(call.inputs[3]);
        return tape.sum_to(back, &shape).map(Some);
    }
    let back = tape.line(op.scale, 0.0, back)?;
    if input == 0 {
        return tape.product(back, k).map(Some);
    }
    let back = tape.transpose(back)?;
    tape.product(back, q).map(Some)
}
