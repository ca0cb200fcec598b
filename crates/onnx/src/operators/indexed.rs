//! Elements that indices name.
use super::List;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use supple_graph::operators::{Binary, BinaryFunction, Gather, Reduce, Reduction, Where};
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[("GatherND", gather_nd), ("OneHot", one_hot)];

type Outputs<'a> = Result<Vec<Operand<'a>>>;

/// The last axis of the indices counts along the first axes of the data, which become one.
fn gather_nd<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    if call.int("batch_dims", 0)? != 0 {
        return Err(Error::unsupported("other indices for each sample"));
    }
    let (x, at) = (call.value(0)?, call.indices(1)?);
    let (shape, places) = (call.shape(x), call.shape(at));
    let depth = places.last().map_or(0, |dim| dim.count());
    let outer = shape.get(..depth).filter(|outer| !outer.is_empty());
    let outer = outer.ok_or_else(|| Error::malformed(format!("indices of shape {places:?} for {shape:?}")))?;
    if outer.iter().any(|dim| dim.is_batch()) {
        return Err(Error::unsupported("indices along the batch"));
    }
    let lengths: Vec<usize> = outer.iter().map(|dim| dim.count()).collect();
    let all = lengths.iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
    let all = all.ok_or_else(|| Error::too_large(format!("a tensor of {shape:?}")))?;
    let x = call.reshaped(x, [&[Dim::Fixed(all)], &shape[depth..]].concat())?;
    let at = linear(call, at, &lengths)?;
    Ok(vec![call.finish(Gather { axis: 0 }, &[x, at])?.into()])
}

/// Where indices, whose last axis counts along axes of these lengths, stand when these are one.
fn linear(call: &mut Call<'_, '_>, at: Value, lengths: &[usize]) -> Result<Value> {
    let mut strides = vec![1.0; lengths.len()];
    for axis in (1..lengths.len()).rev() {
        strides[axis - 1] = strides[axis] * lengths[axis] as f32;
    }
    let lengths = lengths.iter().map(|&n| n as f32).collect();
    let lengths = whole(call, "lengths", lengths)?;
    let strides = whole(call, "strides", strides)?;
    let inside = call.helper("inside", Binary { function: BinaryFunction::Modulo }, &[at, lengths])?;
    let apart = call.helper("apart", Binary { function: BinaryFunction::Mul }, &[inside, strides])?;
    let last = call.fact(apart).rank() - 1;
    call.helper("linear", Reduce { reduction: Reduction::Sum, axes: vec![last], keep: false }, &[apart])
}

fn whole(call: &mut Call<'_, '_>, name: &str, numbers: Vec<f32>) -> Result<Value> {
    call.builder.constant(name, Array::new(vec![numbers.len()], numbers)?, DType::I64)
}

/// One of two values: the second where an index, which may count from the end, says so.
fn one_hot<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let at = call.value(0)?;
    let rank = call.fact(at).rank();
    let axis = call.axis(call.int("axis", -1)?, rank + 1)?;
    let depth = call.scalar(1)?.and_then(|depth| crate::call::count(depth as i64));
    let depth = depth.ok_or_else(|| Error::malformed("no depth"))?;
    let values = call.known(2).filter(|values| values.len() == 2).cloned();
    let values = values.ok_or_else(|| Error::unsupported("values that are not known before the graph runs"))?;
    if !call.builder.spend(depth as f64) {
        return Err(Error::too_large(format!("a depth of {depth}")));
    }
    let mut apart = call.shape(at);
    apart.insert(axis, Dim::Fixed(1));
    let at = call.reshaped(at, apart)?;
    let dtype = call.fact(at).dtype;
    let mut column = vec![1; rank + 1];
    column[axis] = depth;
    let [length, classes] = [vec![depth as f32], (0..depth).map(|i| i as f32).collect()];
    let length = call.builder.constant("depth", Array::new(vec![1], length)?, dtype)?;
    let classes = call.builder.constant("classes", Array::new(column, classes)?, dtype)?;
    let from_end = call.helper("from_end", Binary { function: BinaryFunction::Add }, &[at, length])?;
    let equal =
        |call: &mut Call<'a, '_>, at| call.helper("equal", Binary { function: BinaryFunction::Equal }, &[at, classes]);
    let here = [equal(call, at)?, equal(call, from_end)?];
    let here = call.helper("here", Binary { function: BinaryFunction::Or }, &here)?;
    let numbers = values.array()?.into_data();
    let value =
        |call: &mut Call<'a, '_>, i: usize| call.builder.constant("value", Array::full(&[], numbers[i]), values.dtype);
    let (off, on) = (value(call, 0)?, value(call, 1)?);
    Ok(vec![call.finish(Where {}, &[here, on, off])?.into()])
}
