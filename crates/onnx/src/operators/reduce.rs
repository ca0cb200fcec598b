//! Many elements become one, or the place of one.
use super::List;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use supple_graph::operators::{
    ArgMax, Binary, BinaryFunction, Cast, Linear, Permute, Reduce, Reduction, TopK, Unary, UnaryFunction,
};
use supple_graph::{Array, DType, Value};

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
    ("ReduceLogSumExp", log_sum_exp),
    ("CumSum", running_sum),
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

/// The logarithm of a sum of powers, the largest of which is taken out before: no power is too large then.
fn log_sum_exp<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let Some(axes) = axes(call)? else { return Ok(vec![call.operand(0)?.clone()]) };
    let x = call.value(0)?;
    let over = |reduction| Reduce { reduction, axes: axes.clone(), keep: true };
    let top = call.helper("top", over(Reduction::Max), &[x])?;
    let below = call.helper("below", Binary { function: BinaryFunction::Sub }, &[x, top])?;
    let powers = call.helper("powers", Unary { function: UnaryFunction::Exp }, &[below])?;
    let sum = call.helper("sum", over(Reduction::Sum), &[powers])?;
    let log = call.helper("log", Unary { function: UnaryFunction::Log }, &[sum])?;
    let made = call.finish(Binary { function: BinaryFunction::Add }, &[log, top])?;
    if call.int("keepdims", 1)? != 0 {
        return Ok(vec![made.into()]);
    }
    let kept = call.shape(made).into_iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    let shape = kept.map(|(_, dim)| dim).collect();
    Ok(vec![call.reshaped(made, shape)?.into()])
}

/// Sums of all elements before, as a product with ones on one side of a diagonal.
fn running_sum<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let (rank, dtype) = (call.fact(x).rank(), call.fact(x).dtype);
    let axis = call.axis(call.scalar(1)?.unwrap_or(0.0) as i64, rank)?;
    let length = call.fact(x).shape[axis];
    let length = (!length.is_batch()).then(|| length.count());
    let length = length.ok_or_else(|| Error::unsupported("sums along the batch"))?;
    if !call.builder.spend(length as f64 * length as f64) {
        return Err(Error::too_large(format!("sums of {length} elements")));
    }
    let (without, backwards) = (call.int("exclusive", 0)? != 0, call.int("reverse", 0)? != 0);
    let counts = |from: usize, to: usize| if from == to { !without } else { (from < to) != backwards };
    let counts = Array::from_fn(&[length, length], |at| if counts(at[0], at[1]) { 1.0 } else { 0.0 });
    let counts = call.builder.constant("counts", counts, DType::F32)?;
    let order: Vec<usize> = (0..axis).chain(axis + 1..rank).chain([axis]).collect();
    let back = (0..rank).map(|at| order.iter().position(|&from| from == at).unwrap_or(at)).collect();
    let x = call.helper("turned", Permute { order }, &[x])?;
    let x = call.helper("floats", Cast { to: DType::F32 }, &[x])?;
    let sums = call.helper("sums", Linear::default(), &[x, counts])?;
    let sums = call.helper("numbers", Cast { to: dtype }, &[sums])?;
    Ok(vec![call.finish(Permute { order: back }, &[sums])?.into()])
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
