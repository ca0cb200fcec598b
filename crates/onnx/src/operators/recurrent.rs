//! Recurrent layers.
use super::List;
use crate::builder::Layout;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use supple_graph::operators::{Gru, Lstm, Op};
use supple_graph::recurrence::{Direction, Recurrence};
use supple_graph::{Array, Value};

pub(super) const LIST: List = &[("LSTM", lstm), ("GRU", gru)];

/// What the graph's operators have and the node does not ask for otherwise.
fn recurrence(call: &mut Call<'_, '_>, states: usize) -> Result<Recurrence> {
    let direction = match call.text("direction", "forward")? {
        "forward" => Direction::Forward,
        "reverse" => Direction::Reverse,
        "bidirectional" => Direction::Bidirectional,
        other => return Err(Error::malformed(format!("direction = {other}"))),
    };
    if call.has(4) {
        return Err(Error::unsupported("sequences of different lengths"));
    }
    if call.attribute("clip").is_some() || call.int("input_forget", 0)? != 0 || call.has(7) {
        return Err(Error::unsupported("clipped or coupled gates, or peepholes"));
    }
    let given = (0..states).filter(|state| call.has(5 + state)).count();
    if given != 0 && given != states {
        return Err(Error::unsupported("only one of two states at the beginning"));
    }
    let batch_first = call.int("layout", 0)? != 0;
    let initial = given > 0 && !(0..states).all(|state| begins_at_zero(call, 5 + state));
    Ok(Recurrence { direction, bias: call.has(3), initial, batch_first })
}

/// Whether input `i` is known to be zero, however often it is repeated: recurrent layers begin there if not told otherwise.
fn begins_at_zero(call: &mut Call<'_, '_>, i: usize) -> bool {
    let of = |array: &Array| array.data().iter().all(|&v| v == 0.0);
    match call.operand(i) {
        Ok(Operand::Known(tensor)) => {
            let tensor = tensor.clone();
            call.builder.spend(tensor.len() as f64) && tensor.array().is_ok_and(|array| of(&array))
        }
        Ok(&Operand::Made(value)) => {
            let mut node = call.builder.graph.node(value.node);
            while let Op::Expand(_) | Op::Slice(_) | Op::Reshape(_) | Op::Permute(_) = node.op {
                node = call.builder.graph.node(node.inputs[0].node);
            }
            matches!(&node.op, Op::Constant(constant) if constant.value.data().len() == 1 && of(&constant.value))
        }
        Err(_) => false,
    }
}

/// The activations have to be the usual ones, in every direction.
fn check_activations(call: &Call<'_, '_>, usual: &[&str]) -> Result<()> {
    let named = call.attribute("activations").map(|attribute| attribute.texts.as_slice()).unwrap_or_default();
    let fits = |(i, name): (usize, &&[u8])| name.eq_ignore_ascii_case(usual[i % usual.len()].as_bytes());
    if named.iter().enumerate().all(fits) {
        Ok(())
    } else {
        Err(Error::unsupported(format!("activations other than {usual:?}")))
    }
}

fn operands(call: &mut Call<'_, '_>, recurrence: &Recurrence, states: usize) -> Result<Vec<Value>> {
    let mut inputs = vec![call.value(0)?, call.weight(1, Layout::AsStored)?, call.weight(2, Layout::AsStored)?];
    if recurrence.bias {
        inputs.push(call.weight(3, Layout::AsStored)?);
    }
    if recurrence.initial {
        for state in 0..states {
            inputs.push(call.value(5 + state)?);
        }
    }
    Ok(inputs)
}

fn outputs<'a>(call: &mut Call<'a, '_>, op: Op, inputs: &[Value], states: usize) -> Result<Vec<Operand<'a>>> {
    let all = call.finish(op, inputs)?;
    Ok((0..=states).map(|slot| Value { slot, ..all }.into()).collect())
}

fn lstm<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    check_activations(call, &["Sigmoid", "Tanh", "Tanh"])?;
    let recurrence = recurrence(call, 2)?;
    let inputs = operands(call, &recurrence, 2)?;
    outputs(call, Lstm { recurrence }.into(), &inputs, 2)
}

fn gru<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    check_activations(call, &["Sigmoid", "Tanh"])?;
    let recurrence = recurrence(call, 1)?;
    let reset_after = call.int("linear_before_reset", 0)? != 0;
    let inputs = operands(call, &recurrence, 1)?;
    outputs(call, Gru { recurrence, reset_after }.into(), &inputs, 1)
}
