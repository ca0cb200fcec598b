//! Many elements become one, or the place of one.
use super::List;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use supple_graph::Value;
use supple_graph::operators::{ArgMax, Reduce, Reduction, TopK, Unary, UnaryFunction};

pub(super) const LIST: List = &[
    ("ReduceMean", |call| reduce(call, Reduction::Mean)),
    ("ReduceSum", |call| reduce(call, Reduction::Sum)),
    ("ReduceMax", |call| reduce(call, Reduction::Max)),
    ("ReduceMin", |call| reduce(call, Reduction::Min)),
    ("ReduceProd", |call| reduce(call, Reduction::Prod)),
    ("ReduceL1", |call| reduce(call, Reduction::L1)),
    ("ReduceL2", |call| reduce(call, Reduction::L2)),
    ("ReduceSumSquare", |call| reduce(call, Reduction::SumSquare)),
    ("ReduceLogSum", log_sum),
    ("ArgMax", |call| arg_max(call, false)),
    ("ArgMin", |call| arg_max(call, true)),
    ("TopK", top_k),
];

fn reduce<'a>(call: &mut Call<'a, '_>, reduction: Reduction) -> Result<Vec<Operand<'a>>> {
    match axes(call)? {
        Some(axes) => Ok(vec![reduced(call, reduction, axes)?.into()]),
        None => Ok(vec![call.operand(0)?.clone()]),
    }
}

/// The axes that are reduced: all, if none are named; `None` when nothing is to be done then.
fn axes(call: &mut Call<'_, '_>) -> Result<Option<Vec<usize>>> {
    let x = call.value(0)?;
    let rank = call.fact(x).rank();
    let named = call.axes(1, rank)?.unwrap_or_default();
    if named.is_empty() && call.int("noop_with_empty_axes", 0)? != 0 {
        return Ok(None);
    }
    Ok(Some(if named.is_empty() { (0..rank).collect() } else { named }))
}

fn reduced(call: &mut Call<'_, '_>, reduction: Reduction, axes: Vec<usize>) -> Result<Value> {
    let x = call.value(0)?;
    let keep = call.int("keepdims", 1)? != 0;
    call.finish(Reduce { reduction, axes, keep }, &[x])
}

fn log_sum<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = match axes(call)? {
        Some(axes) => reduced(call, Reduction::Sum, axes)?,
        None => call.value(0)?,
    };
    Ok(vec![call.helper("log", Unary { function: UnaryFunction::Log }, &[x])?.into()])
}

fn arg_max<'a>(call: &mut Call<'a, '_>, least: bool) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let axis = call.axis(call.int("axis", 0)?, call.fact(x).rank())?;
    let (keep, last) = (call.int("keepdims", 1)? != 0, call.int("select_last_index", 0)? != 0);
    Ok(vec![call.finish(ArgMax { axis, keep, least, last }, &[x])?.into()])
}

/// How many is an attribute before opset 10, an input since.
fn top_k<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let axis = call.axis(call.int("axis", -1)?, call.fact(x).rank())?;
    let k = match call.numbers(1)? {
        Some(numbers) => numbers.first().copied().unwrap_or(-1),
        None => call.int("k", -1)?,
    };
    let k = count(k).ok_or_else(|| Error::malformed(format!("the {k} largest")))?;
    let least = call.int("largest", 1)? == 0;
    let values = call.finish(TopK { k, axis, least }, &[x])?;
    Ok(vec![values.into(), Value { slot: 1, ..values }.into()])
}
