//! Softmax and normalisations.
use crate::error::Result;
use crate::fact::Dim;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{Op, Reduction, UnaryFunction};
use crate::tape::Tape;

/// `y (g - sum(g y))`
pub fn softmax(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Softmax(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let weighted = tape.times(g, call.outputs[0])?;
    let sum = tape.reduce(Reduction::Sum, &[op.axis], weighted)?;
    let centred = tape.difference(g, sum)?;
    tape.times(call.outputs[0], centred).map(Some)
}

/// `g - e^y sum(g)`
pub fn log_softmax(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::LogSoftmax(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let soft = tape.map(UnaryFunction::Exp, call.outputs[0])?;
    let sum = tape.reduce(Reduction::Sum, &[op.axis], g)?;
    let shared = tape.times(soft, sum)?;
    tape.difference(g, shared).map(Some)
}

/// What normalisation makes of x, and what it divides by, inverted.
struct Normal {
    value: Value,
    inverse: Value,
}

/// `1 / sqrt(x + epsilon)`
fn inverse_root(tape: &mut Tape, x: Value, epsilon: f64) -> Result<Value> {
    let shifted = tape.line(1.0, epsilon, x)?;
    let root = tape.map(UnaryFunction::Sqrt, shifted)?;
    tape.map(UnaryFunction::Recip, root)
}

/// x with mean 0, if `centred`, and mean square 1 over the axes.
fn normal(tape: &mut Tape, x: Value, axes: &[usize], epsilon: f64, centred: bool) -> Result<Normal> {
    let x = if centred {
        let mean = tape.reduce(Reduction::Mean, axes, x)?;
        tape.difference(x, mean)?
    } else {
        x
    };
    let squares = tape.times(x, x)?;
    let square = tape.reduce(Reduction::Mean, axes, squares)?;
    let inverse = inverse_root(tape, square, epsilon)?;
    Ok(Normal { value: tape.times(x, inverse)?, inverse })
}

/// `inverse (g - mean(g) - normal mean(g normal))`, the first mean only if `centred`.
fn through(tape: &mut Tape, g: Value, normal: &Normal, axes: &[usize], centred: bool) -> Result<Value> {
    let along = tape.times(g, normal.value)?;
    let along = tape.reduce(Reduction::Mean, axes, along)?;
    let along = tape.times(normal.value, along)?;
    let mut rest = tape.difference(g, along)?;
    if centred {
        let mean = tape.reduce(Reduction::Mean, axes, g)?;
        rest = tape.difference(rest, mean)?;
    }
    tape.times(rest, normal.inverse)
}

/// The gradient by x, by the factors or by the summands of `normal(x) * gamma + beta`, with gamma in a shape that is repeated to x's.
fn affine(
    tape: &mut Tape,
    call: &Call<'_>,
    input: usize,
    gamma: Value,
    (axes, epsilon, centred): (&[usize], f64, bool),
) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let (x, shape) = (call.inputs[0], tape.shape(gamma));
    let full = match input {
        0 => {
            let (scaled, normal) = (tape.times(g, gamma)?, normal(tape, x, axes, epsilon, centred)?);
            return through(tape, scaled, &normal, axes, centred).map(Some);
        }
        1 => {
            let normal = normal(tape, x, axes, epsilon, centred)?;
            tape.times(g, normal.value)?
        }
        _ => g,
    };
    let summed = tape.sum_to(full, &shape)?;
    let shape = tape.shape(call.inputs[input]);
    tape.reshape(summed, &shape).map(Some)
}

/// Over the axes of gamma.
pub fn layer_norm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Op::LayerNorm(op) = call.op else { return Ok(None) };
    let axes = last(tape, call);
    affine(tape, call, input, call.inputs[1], (&axes, op.epsilon, true))
}

/// Over the axes of gamma, without centring.
pub fn rms_norm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Op::RmsNorm(op) = call.op else { return Ok(None) };
    let axes = last(tape, call);
    affine(tape, call, input, call.inputs[1], (&axes, op.epsilon, false))
}

fn last(tape: &Tape, call: &Call<'_>) -> Vec<usize> {
    let (rank, normalised) = (call.fact(tape, 0).rank(), call.fact(tape, 1).rank());
    (rank - normalised..rank).collect()
}

/// A weight of each channel in a shape that is repeated to x's.
fn per_channel(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Value> {
    let rank = call.fact(tape, 0).rank();
    let shape = [&[call.fact(tape, 0).shape[1]][..], &vec![Dim::Fixed(1); rank - 2]].concat();
    tape.reshape(call.inputs[input], &shape)
}

/// Over the axes behind the channels.
pub fn instance_norm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Op::InstanceNorm(op) = call.op else { return Ok(None) };
    let gamma = per_channel(tape, call, 1)?;
    let axes: Vec<usize> = (2..call.fact(tape, 0).rank()).collect();
    affine(tape, call, input, gamma, (&axes, op.epsilon, true))
}

/// As over the last axes, with an axis for the groups.
pub fn group_norm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::GroupNorm(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let shape = tape.shape(call.inputs[0]);
    let groups = [Dim::Fixed(shape[1].count() / op.size), Dim::Fixed(op.size)];
    let grouped = [&shape[..1], &groups, &shape[2..]].concat();
    let axes: Vec<usize> = (2..grouped.len()).collect();
    let gamma = per_channel(tape, call, 1)?;
    let gamma = tape.reshape(gamma, &grouped[1..3])?;
    let gamma = tape.reshape(gamma, &[&grouped[1..3], &vec![Dim::Fixed(1); shape.len() - 2]].concat())?;
    let inputs: Vec<Value> =
        std::iter::once(tape.reshape(call.inputs[0], &grouped)?).chain(call.inputs[1..].iter().copied()).collect();
    let gradients = [Some(tape.reshape(g, &grouped)?)];
    let inner = Call { inputs: &inputs, gradients: &gradients, ..*call };
    let Some(made) = affine(tape, &inner, input, gamma, (&axes, op.epsilon, true))? else { return Ok(None) };
    let shape = tape.shape(call.inputs[input]);
    tape.reshape(made, &shape).map(Some)
}

/// A line for each channel; the stored statistics get no gradient.
pub fn batch_norm(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Op::BatchNorm(op), Some(g), 0..=2) = (call.op, call.gradient(), input) else { return Ok(None) };
    let variance = per_channel(tape, call, 4)?;
    let inverse = inverse_root(tape, variance, op.epsilon)?;
    let shape = tape.shape(inverse);
    let full = match input {
        0 => {
            let gamma = per_channel(tape, call, 1)?;
            let scale = tape.times(gamma, inverse)?;
            return tape.times(g, scale).map(Some);
        }
        1 => {
            let mean = per_channel(tape, call, 3)?;
            let centred = tape.difference(call.inputs[0], mean)?;
            let normal = tape.times(centred, inverse)?;
            tape.times(g, normal)?
        }
        _ => g,
    };
    let summed = tape.sum_to(full, &shape)?;
    let shape = tape.shape(call.inputs[input]);
    tape.reshape(summed, &shape).map(Some)
}
