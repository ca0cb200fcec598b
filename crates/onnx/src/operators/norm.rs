//! Norms and softmaxes.
use super::List;
use crate::builder::Layout;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use supple_graph::operators::{
    BatchNorm, Binary, BinaryFunction, GroupNorm, InstanceNorm, LayerNorm, LogSoftmax, Op, Pool, PoolFunction, Reduce,
    Reduction, RmsNorm, Scalar, Softmax,
};
use supple_graph::window::Window;
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[
    ("BatchNormalization", batch_norm),
    ("GroupNormalization", group_norm),
    ("InstanceNormalization", instance_norm),
    ("LayerNormalization", layer_norm),
    ("LRN", response_norm),
    ("LpNormalization", length_norm),
    ("RMSNormalization", rms_norm),
    ("Softmax", |call| over_axis(call, |axis| Softmax { axis }.into())),
    ("LogSoftmax", |call| over_axis(call, |axis| LogSoftmax { axis }.into())),
];

type Outputs<'a> = Result<Vec<Operand<'a>>>;

/// The data, then `count` operands that are weights.
fn operands(call: &mut Call<'_, '_>, count: usize) -> Result<Vec<Value>> {
    let mut inputs = vec![call.value(0)?];
    for i in 1..=count {
        inputs.push(call.weight(i, Layout::AsStored)?);
    }
    Ok(inputs)
}

/// With the statistics that are stored; those of the batch belong to training.
fn batch_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    if call.int("training_mode", 0)? != 0 || call.int("spatial", 1)? != 1 {
        return Err(Error::unsupported("statistics of the batch, or of single elements"));
    }
    let inputs = operands(call, 4)?;
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.finish(BatchNorm { epsilon }, &inputs)?.into()])
}

/// One gamma and beta a channel; before opset 21 one a group.
fn group_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = operands(call, 2)?;
    let channels = call.fact(inputs[0]).shape.get(1).map_or(0, |dim| dim.count());
    let groups =
        crate::call::count(call.int("num_groups", 1)?).filter(|&groups| groups > 0 && channels.is_multiple_of(groups));
    let size =
        channels / groups.ok_or_else(|| Error::malformed(format!("groups that do not divide {channels} channels")))?;
    if call.opset < 21 && size > 1 && channels > size {
        return Err(Error::unsupported("one gamma for all channels of a group"));
    }
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.finish(GroupNorm { size, epsilon }, &inputs)?.into()])
}

fn instance_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = operands(call, 2)?;
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.finish(InstanceNorm { epsilon }, &inputs)?.into()])
}

/// The weights have to cover the axes that are normalised.
fn covers(call: &Call<'_, '_>, inputs: &[Value]) -> Result<()> {
    let (rank, found) = (call.fact(inputs[0]).rank(), call.fact(inputs[1]).rank());
    let axis = call.axis(call.int("axis", -1)?, rank)?;
    if axis + found == rank {
        Ok(())
    } else {
        Err(Error::unsupported(format!("weights over {found} axes from axis {axis} of {rank}")))
    }
}

fn layer_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = operands(call, 1 + usize::from(call.has(2)))?;
    covers(call, &inputs)?;
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.finish(LayerNorm { epsilon }, &inputs)?.into()])
}

fn rms_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = operands(call, 1)?;
    covers(call, &inputs)?;
    let epsilon = call.float("epsilon", 1e-5);
    Ok(vec![call.finish(RmsNorm { epsilon }, &inputs)?.into()])
}

/// Each element over a power of the mean of squares in its neighbourhood of channels (Krizhevsky et al., 2012).
fn response_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let size = crate::call::count(call.int("size", 0)?).filter(|&size| size > 0);
    let (Some(size), [batch, channels, ..]) = (size, shape.as_slice()) else {
        return Err(Error::malformed("channels without a neighbourhood"));
    };
    let plane = flattened(&shape, 2).and_then(|flat| flat.get(2).copied()).unwrap_or(Dim::Fixed(1));
    let squares = call.helper("squares", Binary { function: BinaryFunction::Mul }, &[x, x])?;
    let squares = call.reshaped(squares, vec![*batch, Dim::Fixed(1), *channels, plane])?;
    let mut window = Window::new(&[size, 1], &[1, 1]);
    window.padding[0] = [(size - 1) / 2, size / 2];
    let mean = call.helper("mean", Pool { function: PoolFunction::PaddedAverage, window }, &[squares])?;
    let mean = call.reshaped(mean, shape)?;
    let (scale, shift) = (call.float("alpha", 1e-4), call.float("bias", 1.0));
    let base = call.helper("base", Scalar { scale, shift }, &[mean])?;
    let beta = Array::full(&[], call.float("beta", 0.75) as f32);
    let beta = call.builder.constant("beta", beta, DType::F32)?;
    let divisor = call.helper("divisor", Binary { function: BinaryFunction::Pow }, &[base, beta])?;
    Ok(vec![call.finish(Binary { function: BinaryFunction::Div }, &[x, divisor])?.into()])
}

/// Vectors along an axis over their lengths.
fn length_norm<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let axis = call.axis(call.int("axis", -1)?, call.fact(x).rank())?;
    let reduction = match call.int("p", 2)? {
        1 => Reduction::L1,
        2 => Reduction::L2,
        other => return Err(Error::malformed(format!("p = {other}"))),
    };
    let length = call.helper("length", Reduce { reduction, axes: vec![axis], keep: true }, &[x])?;
    Ok(vec![call.finish(Binary { function: BinaryFunction::Div }, &[x, length])?.into()])
}

/// An operator over one axis. Before opset 13 it runs over all axes from `axis` on, as if they were one.
fn over_axis<'a>(call: &mut Call<'a, '_>, op: fn(usize) -> Op) -> Outputs<'a> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let default = if call.opset < 13 { 1 } else { -1 };
    let axis = call.axis(call.int("axis", default)?, shape.len())?;
    if call.opset >= 13 || axis + 1 == shape.len() {
        return Ok(vec![call.finish(op(axis), &[x])?.into()]);
    }
    let flat = flattened(&shape, axis).ok_or_else(|| Error::unsupported("a softmax over the batch"))?;
    let flat = call.reshaped(x, flat)?;
    let made = call.finish(op(axis), &[flat])?;
    Ok(vec![call.reshaped(made, shape)?.into()])
}

/// The shape with all axes from `axis` on as one.
fn flattened(shape: &[Dim], axis: usize) -> Option<Vec<Dim>> {
    let mut all = 1_usize;
    for dim in &shape[axis..] {
        all = all.checked_mul(dim.count()).filter(|_| !dim.is_batch())?;
    }
    Some(shape[..axis].iter().copied().chain([Dim::Fixed(all)]).collect())
}
