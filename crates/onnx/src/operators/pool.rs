//! Pooling over windows, or over all of a channel.
use super::List;
use crate::call::{Call, Operand};
use crate::error::{Error, Result};
use crate::window::Steps;
use supple_graph::operators::{Pool, PoolFunction, Reduce, Reduction};
use supple_graph::window::Window;

pub(super) const LIST: List = &[
    ("MaxPool", |call| pool(call, PoolFunction::Max)),
    ("AveragePool", average_pool),
    ("GlobalMaxPool", |call| global(call, Reduction::Max)),
    ("GlobalAveragePool", |call| global(call, Reduction::Mean)),
];

fn average_pool<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let counts_padding = call.int("count_include_pad", 0)? != 0;
    pool(call, if counts_padding { PoolFunction::PaddedAverage } else { PoolFunction::Average })
}

fn pool<'a>(call: &mut Call<'a, '_>, function: PoolFunction) -> Result<Vec<Operand<'a>>> {
    if call.node.outputs.get(1).is_some_and(|name| !name.is_empty()) {
        return Err(Error::unsupported("the positions of the maxima"));
    }
    let x = call.value(0)?;
    let sides: Vec<usize> = call.shape(x).iter().skip(2).map(|dim| dim.count()).collect();
    let kernel = call.counts("kernel_shape", sides.len(), 1)?;
    let Steps { stride, dilation, padding } = Steps::of(call, &kernel, &sides)?;
    let ceil = call.int("ceil_mode", 0)? != 0;
    let window = Window { kernel, stride, padding, dilation, ceil };
    Ok(vec![call.finish(Pool { function, window }, &[x])?.into()])
}

fn global<'a>(call: &mut Call<'a, '_>, reduction: Reduction) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let axes = (2..call.fact(x).rank()).collect();
    Ok(vec![call.finish(Reduce { reduction, axes, keep: true }, &[x])?.into()])
}
