//! Operators that read or change shapes, and those that do nothing when a model runs.
use super::List;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use crate::number::Number;
use crate::tensor::Tensor;
use supple_graph::Dim;
use supple_graph::operators::{Expand, Permute};

pub(super) const LIST: List = &[
    ("Dropout", dropout),
    ("Identity", identity),
    ("Shape", shape),
    ("Size", size),
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Transpose", transpose),
    ("ConstantOfShape", constant_of_shape),
    ("Range", range),
];

fn identity<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    Ok(vec![call.operand(0)?.clone()])
}

/// Nothing is dropped when a model runs.
fn dropout<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    if call.node.outputs.get(1).is_some_and(|name| !name.is_empty()) {
        return Err(Error::unsupported("what was dropped"));
    }
    identity(call)
}

fn dims(call: &Call<'_, '_>, i: usize) -> Result<Vec<Dim>> {
    Ok(match call.operand(i)? {
        Operand::Made(value) => call.shape(*value),
        Operand::Known(tensor) => tensor.shape.iter().map(|&length| Dim::Fixed(length)).collect(),
    })
}

/// The lengths of the axes, or of those from `start` to `end`.
fn shape<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let dims = dims(call, 0)?;
    let rank = dims.len() as i64;
    let bound = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)?), bound(call.int("end", rank)?));
    let numbers: Vec<Number> = dims[start.min(end)..end].iter().map(|&dim| dim.into()).collect();
    Ok(vec![Tensor::numbers(vec![numbers.len()], numbers).into()])
}

fn size<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let all = dims(call, 0)?.into_iter().try_fold(Number::from(1), |all, dim| all.mul(dim.into()));
    let all = all.ok_or_else(|| Error::unsupported("a size that does not follow the batch"))?;
    Ok(vec![Tensor::numbers(Vec::new(), vec![all]).into()])
}

/// The shape asked for: a zero copies a length (unless `allowzero`), a -1 takes what is left.
fn reshape<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let wanted: Vec<Number> = match call.ints("shape") {
        Some(ints) => ints.into_iter().map(Number::from).collect(),
        None => call.sizes(1)?.ok_or_else(|| Error::malformed("no shape"))?.to_vec(),
    };
    let x = call.value(0)?;
    let from = call.shape(x);
    let copies = call.int("allowzero", 0)? == 0;
    let mut to: Vec<Option<Dim>> = Vec::new();
    for (axis, number) in wanted.iter().enumerate() {
        let dim = match number.known() {
            Some(-1) => None,
            Some(0) if copies => Some(*from.get(axis).ok_or_else(|| Error::malformed("a zero copies no axis"))?),
            _ => Some(number.dim().ok_or_else(|| Error::malformed(format!("a length of {number:?}")))?),
        };
        to.push(dim);
    }
    let to = completed(&from, to)?;
    Ok(vec![call.reshaped(x, to)?.into()])
}

/// Elements at a batch of one, and how often the batch counts.
fn elements(dims: impl Iterator<Item = Dim>) -> Result<(u128, usize)> {
    let (mut all, mut batches) = (1_u128, 0);
    for dim in dims {
        all = all.checked_mul(dim.count() as u128).ok_or_else(|| Error::too_large("a tensor"))?;
        batches += usize::from(dim.is_batch());
    }
    Ok((all, batches))
}

/// The shape with its open length filled in. Where a model was exported for one sample, and its input has the batch in front, so has the result.
fn completed(from: &[Dim], to: Vec<Option<Dim>>) -> Result<Vec<Dim>> {
    let (all, batches) = elements(from.iter().copied())?;
    let (stated, stated_batches) = elements(to.iter().flatten().copied())?;
    let leads = batches == 1 && stated_batches == 0 && from.first().is_some_and(|dim| dim.is_batch());
    let open = to.iter().filter(|dim| dim.is_none()).count();
    let wrong = || Error::malformed(format!("{all} elements do not fit a shape of {stated}"));
    if open == 0 {
        let mut to: Vec<Dim> = to.into_iter().flatten().collect();
        if leads
            && all == stated
            && let Some(first) = to.first_mut()
        {
            *first = Dim::Batch(first.count());
        }
        return Ok(to);
    }
    let rest = all.checked_div(stated).unwrap_or(0);
    if open > 1 || rest * stated != all || stated_batches > batches {
        return Err(wrong());
    }
    let rest = usize::try_from(rest).map_err(|_| wrong())?;
    let keeps_lead = leads && to.first().is_some_and(|dim| *dim == from.first().map(|dim| Dim::Fixed(dim.count())));
    let mut to = to;
    if keeps_lead {
        to[0] = from.first().copied();
    }
    let filled = if batches > stated_batches && !keeps_lead { Dim::Batch(rest) } else { Dim::Fixed(rest) };
    Ok(to.into_iter().map(|dim| dim.unwrap_or(filled)).collect())
}

fn flatten<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let axis = match call.int("axis", 1)? {
        axis if axis == shape.len() as i64 => shape.len(),
        axis => call.axis(axis, shape.len())?,
    };
    let product = |dims: &[Dim]| -> Result<Dim> {
        let (all, batches) = elements(dims.iter().copied())?;
        let all = usize::try_from(all).map_err(|_| Error::too_large("a tensor"))?;
        Ok(if batches > 0 { Dim::Batch(all) } else { Dim::Fixed(all) })
    };
    let to = vec![product(&shape[..axis])?, product(&shape[axis..])?];
    Ok(vec![call.reshaped(x, to)?.into()])
}

fn squeeze<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let axes = call.axes(1, shape.len())?;
    let goes = |axis: usize, dim: Dim| axes.as_ref().map_or(dim == Dim::Fixed(1), |axes| axes.contains(&axis));
    let stays = shape.iter().enumerate().filter(|&(axis, &dim)| !goes(axis, dim));
    let to = stays.map(|(_, &dim)| dim).collect();
    Ok(vec![call.reshaped(x, to)?.into()])
}

fn unsqueeze<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let mut shape = call.shape(x);
    let count = match call.ints("axes") {
        Some(axes) => axes.len(),
        None => call.sizes(1)?.map_or(0, |axes| axes.len()),
    };
    let mut axes = call.axes(1, shape.len() + count)?.unwrap_or_default();
    axes.sort_unstable();
    for axis in axes {
        if axis > shape.len() {
            return Err(Error::malformed(format!("axis {axis} is named twice")));
        }
        shape.insert(axis, Dim::Fixed(1));
    }
    Ok(vec![call.reshaped(x, shape)?.into()])
}

fn transpose<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let rank = call.fact(x).rank();
    let order = match call.ints("perm") {
        Some(perm) => perm.into_iter().map(|axis| call.axis(axis, rank)).collect::<Result<_>>()?,
        None => (0..rank).rev().collect(),
    };
    Ok(vec![call.finish(Permute { order }, &[x])?.into()])
}

/// One value, repeated; as many times as the batch says, where that is in the shape.
fn constant_of_shape<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let lengths = call.sizes(0)?.ok_or_else(|| Error::malformed("no shape"))?;
    let value = match call.attribute("value").and_then(|attribute| attribute.tensor.as_ref()) {
        Some(def) => Tensor::of(def, None)?,
        None => Tensor::floats(vec![1], vec![0.0]),
    };
    let known: Option<Vec<i64>> = lengths.iter().map(|length| length.known()).collect();
    if let Some(known) = known {
        let shape = crate::tensor::lengths(&known)?;
        if call.builder.spend(shape.iter().product::<usize>() as f64) {
            return Ok(vec![value.repeated(shape)?.into()]);
        }
    }
    let to: Option<Vec<Dim>> = lengths.iter().map(|length| length.dim()).collect();
    let to = to.ok_or_else(|| Error::malformed("a negative length"))?;
    let one = call.builder.constant("one", value.array()?, value.dtype)?;
    Ok(vec![call.finish(Expand { to }, &[one])?.into()])
}

/// Numbers in a row are computed while the file is read, or not at all.
fn range<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    Err(Error::unsupported(format!("`{}` has bounds that are not known whole numbers", call.name())))
}
