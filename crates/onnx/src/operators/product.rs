//! Sums of products: convolutions, linear layers, matrix products, attention.
use super::List;
use crate::builder::Layout;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use crate::window::{Steps, pads};
use supple_graph::operators::{Conv, ConvTranspose, Gemm, Linear, Matmul};
use supple_graph::{Dim, Value};

pub(super) const LIST: List = &[("Conv", conv), ("ConvTranspose", conv_transpose), ("Gemm", gemm), ("MatMul", matmul)];

/// The data, the weights, and the bias if there is one.
fn operands(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut inputs = vec![call.value(0)?, call.weight(1, Layout::AsStored)?];
    if call.has(2) {
        inputs.push(call.weight(2, Layout::AsStored)?);
    }
    Ok(inputs)
}

/// Lengths of the axes behind batch and channels.
fn sides(call: &Call<'_, '_>, value: Value) -> Vec<usize> {
    call.fact(value).shape.iter().skip(2).map(|dim| dim.count()).collect()
}

fn groups(call: &Call<'_, '_>) -> Result<usize> {
    count(call.int("group", 1)?).ok_or_else(|| Error::malformed("a negative number of groups"))
}

fn conv<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let inputs = operands(call)?;
    let (x, kernel) = (sides(call, inputs[0]), sides(call, inputs[1]));
    if x.len() != kernel.len() {
        return Err(Error::malformed(format!("a window over {} axes on {}", kernel.len(), x.len())));
    }
    let Steps { stride, dilation, padding } = Steps::of(call, &kernel, &x)?;
    let groups = groups(call)?;
    Ok(vec![call.finish(Conv { stride, padding, dilation, groups }, &inputs)?.into()])
}

fn conv_transpose<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let inputs = operands(call)?;
    let (x, kernel) = (sides(call, inputs[0]), sides(call, inputs[1]));
    let rank = kernel.len();
    if x.len() != rank {
        return Err(Error::malformed(format!("a window over {rank} axes on {}", x.len())));
    }
    if call.attribute("output_shape").is_some() || !matches!(call.text("auto_pad", "NOTSET")?, "NOTSET" | "VALID") {
        return Err(Error::unsupported("an output whose lengths are stated"));
    }
    let op = ConvTranspose {
        stride: call.counts("strides", rank, 1)?,
        padding: pads(call, rank)?,
        output_padding: call.counts("output_padding", rank, 0)?,
        dilation: call.counts("dilations", rank, 1)?,
        groups: groups(call)?,
    };
    Ok(vec![call.finish(op, &inputs)?.into()])
}

/// `alpha A' B' + beta C`. With plain factors and weights it is a linear layer, whose weights stand as `[in, out]`.
fn gemm<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    let (transposed_a, transposed_b) = (call.int("transA", 0)? != 0, call.int("transB", 0)? != 0);
    if alpha == 1.0 && !transposed_a && is_layer(call, beta, transposed_b) {
        let layout = if transposed_b { Layout::Transposed } else { Layout::AsStored };
        let mut inputs = vec![call.value(0)?, call.weight(1, layout)?];
        if call.has(2) {
            inputs.push(call.weight(2, Layout::AsStored)?);
        }
        return Ok(vec![call.finish(Linear::default(), &inputs)?.into()]);
    }
    let inputs = operands(call)?;
    Ok(vec![call.finish(Gemm { alpha, beta, transposed_a, transposed_b }, &inputs)?.into()])
}

/// Whether B is a known matrix and C, if there is any, a known vector for its columns.
fn is_layer(call: &Call<'_, '_>, beta: f64, transposed: bool) -> bool {
    let Some(weights) = call.known(1).filter(|weights| weights.shape.len() == 2 && call.positions.is_none()) else {
        return false;
    };
    let width = weights.shape[usize::from(!transposed)];
    !call.has(2) || (beta == 1.0 && call.known(2).is_some_and(|bias| bias.shape == [width]))
}

/// A product with a matrix of weights is a linear layer; other products have as many axes on both sides, and vectors become matrices.
fn matmul<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let a = call.value(0)?;
    let is_matrix = call.known(1).is_some_and(|weights| weights.shape.len() == 2);
    if is_matrix && call.fact(a).rank() >= 1 {
        let b = call.weight(1, Layout::AsStored)?;
        return Ok(vec![call.finish(Linear::default(), &[a, b])?.into()]);
    }
    let b = call.value(1)?;
    let (left, right) = (call.shape(a), call.shape(b));
    if left.is_empty() || right.is_empty() {
        return Err(Error::malformed("a matrix product of numbers"));
    }
    let rank = left.len().max(right.len()).max(2);
    let (a, b) = (call.reshaped(a, matrix(&left, rank, 0))?, call.reshaped(b, matrix(&right, rank, 1))?);
    let product = call.finish(Matmul {}, &[a, b])?;
    let mut shape = call.shape(product);
    if right.len() == 1 {
        shape.pop();
    }
    if left.len() == 1 {
        shape.remove(rank - 2);
    }
    Ok(vec![call.reshaped(product, shape)?.into()])
}

/// The shape with leading axes of length one up to `rank`; a vector gets an axis of length one at `at` before, to be a row or a column.
fn matrix(shape: &[Dim], rank: usize, at: usize) -> Vec<Dim> {
    let mut shape = shape.to_vec();
    if shape.len() == 1 {
        shape.insert(at, Dim::Fixed(1));
    }
    std::iter::repeat_n(Dim::Fixed(1), rank - shape.len()).chain(shape).collect()
}
