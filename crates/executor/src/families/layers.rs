//! Linear layers and convolutions: our kernels where the backend has them, else Burn's.
use super::{Call, Operands, Runner};
use crate::error::{Error, Result};
use crate::layers::{self, Kind, Window2d};
use crate::tensor::{Any, choose, download, lengths, reshape, slice, upload};
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::Slice;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode};
use supple_graph::operators::{Conv, ConvTranspose, Linear};
use supple_graph::{Array, DType, Fact, Op};
use supple_kernels::Active;

pub(super) fn find(op: &Op, _inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    match op {
        Op::Linear(op) => Some(linear_layer(op)),
        Op::Conv(op) => conv(op),
        Op::ConvTranspose(op) => conv_transpose(op),
        _ => None,
    }
}

fn linear_layer(op: &Linear) -> Runner {
    let active = op.active;
    Runner::of(move |mut operands, call| {
        let (x, w, b) = three(&mut operands)?;
        let x = match active {
            Some(count) => largest(x, count, call)?,
            None => x,
        };
        layer(&Kind::Linear, [x, w], b, call, linear)
    })
}

/// With zeros for all but the `count` elements of the last axis that have the largest magnitudes.
fn largest(x: Any, count: usize, call: &Call<'_>) -> Result<Any> {
    if let Some(x) = call.mode.kernels.then(|| layers::thin_inputs(&x, count)).flatten() {
        return Ok(x);
    }
    let array = download(x.clone())?;
    let (data, shape) = (array.data(), array.shape().to_vec());
    let kept = Active::largest(data, &vec![1.0; data.len()], shape.last().copied().unwrap_or(1), count);
    let upload = |array: &Array, dtype| upload(array, dtype, call.device.as_dispatch());
    let zeros = upload(&Array::full(&shape, 0.0), DType::F32);
    Ok(choose(zeros, upload(&Array::new(shape, kept)?, DType::Bool), x))
}

/// Input, weights and perhaps a bias.
fn three(operands: &mut Operands) -> Result<(Any, Any, Option<Any>)> {
    Ok((operands.take()?, operands.take()?, operands.take_optional()))
}

/// How many outputs count backward, where products of these alone are to be computed.
fn alone(call: &Call<'_>) -> Option<usize> {
    let top = call.top.filter(|top| top.alone && call.mode.kernels && call.blocks.is_none())?;
    Some(top.count)
}

fn no_top() -> Error {
    Error::new("gradient", "is not thinned out on this backend")
}

/// A layer by our kernels, or by `plain` where they may not run.
fn layer(
    kind: &Kind,
    [x, w]: [Any; 2],
    b: Option<Any>,
    call: &Call<'_>,
    plain: impl Fn(Any, Any, Option<Any>) -> Any,
) -> Result<Any> {
    let blocks = call.blocks.cloned();
    let fast = || layers::Call {
        kind: kind.clone(),
        top: alone(call),
        skip: call.skip.filter(|_| blocks.is_none()),
        blocks,
        relu: call.relu,
        threads: call.mode.threads,
    };
    let y = match call.mode.kernels.then(|| layers::layer(&x, &w, b.as_ref(), fast())).flatten() {
        Some(y) => y,
        None => plain(x, w, b),
    };
    match call.top.filter(|_| alone(call).is_none()) {
        Some(top) => layers::thin_gradient(&y, kind.output_axis(lengths(&y).len()), top.count).ok_or_else(no_top),
        None => Ok(y),
    }
}

/// Burn's linear layer wants an input of the weights' rank or more.
fn linear(x: Any, w: Any, b: Option<Any>) -> Any {
    let outputs = lengths(&w)[1];
    let mut shape = lengths(&x);
    let y = Dispatch::linear(x, w, b);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    reshape(y, shape)
}

/// A convolution over one axis is one over two, the first of length one.
fn conv(op: &Conv) -> Option<Runner> {
    match op.stride.len() {
        1 => {
            let flat = |list: &[usize], first| [first, list[0]].to_vec();
            let padding = vec![[0, 0], op.padding[0]];
            let plane =
                Conv { stride: flat(&op.stride, 1), padding, dilation: flat(&op.dilation, 1), groups: op.groups };
            plane_conv(&plane, |x| {
                let shape = lengths(&x);
                reshape(x, vec![shape[0], shape[1], 1, shape[2]])
            })
        }
        2 => plane_conv(op, |x| x),
        3 => conv3d(op),
        _ => None,
    }
}

/// Padding that is the same on both sides, and what is to be added before.
fn split_padding(padding: &[[usize; 2]]) -> (Vec<usize>, Option<Vec<(usize, usize)>>) {
    if padding.iter().all(|[before, after]| before == after) {
        return (padding.iter().map(|[before, _]| *before).collect(), None);
    }
    let widths = padding.iter().map(|&[before, after]| (before, after));
    (vec![0; padding.len()], Some([(0, 0); 2].into_iter().chain(widths).collect()))
}

fn padded(x: Any, widths: Option<&Vec<(usize, usize)>>) -> Any {
    match widths {
        Some(widths) => Dispatch::float_pad(x, widths, PadMode::Constant(0.0)),
        None => x,
    }
}

fn plane_conv(op: &Conv, as_plane: fn(Any) -> Any) -> Option<Runner> {
    let (padding, widths) = split_padding(&op.padding);
    let even = Conv { padding: padding.iter().map(|&width| [width; 2]).collect(), ..op.clone() };
    let window = Window2d::of(&even)?;
    let kind = Kind::Conv2d(window);
    Some(Runner::of(move |mut operands, call| {
        let (x, w, b) = three(&mut operands)?;
        let x = padded(as_plane(x), widths.as_ref());
        let plain = |x, w, b| {
            let options = ConvOptions::new(window.stride, window.padding, window.dilation, window.groups);
            Dispatch::conv2d(x, w, b, options)
        };
        Ok(reshape(layer(&kind, [x, as_plane(w)], b, call, plain)?, call.shape()))
    }))
}

fn conv3d(op: &Conv) -> Option<Runner> {
    let (padding, widths) = split_padding(&op.padding);
    let three_of = |list: &[usize]| <[usize; 3]>::try_from(list).ok();
    let options = ConvOptions::new(three_of(&op.stride)?, three_of(&padding)?, three_of(&op.dilation)?, op.groups);
    Some(Runner::of(move |mut operands, _| {
        let (x, w, b) = three(&mut operands)?;
        Ok(Dispatch::conv3d(padded(x, widths.as_ref()), w, b, options.clone()))
    }))
}

/// Where padding differs between the sides, nothing is left out at first, and both sides then.
fn conv_transpose(op: &ConvTranspose) -> Option<Runner> {
    let even = op.padding.iter().all(|[before, after]| before == after);
    let padding: Vec<usize> = op.padding.iter().map(|[before, _]| if even { *before } else { 0 }).collect();
    let cut = (!even).then(|| op.padding.iter().map(|[before, _]| *before).collect::<Vec<_>>());
    match op.stride.len() {
        1 => Some(transposed(options::<1>(op, &padding)?, cut, Dispatch::conv_transpose1d)),
        2 => Some(transposed(options::<2>(op, &padding)?, cut, Dispatch::conv_transpose2d)),
        3 => Some(transposed(options::<3>(op, &padding)?, cut, Dispatch::conv_transpose3d)),
        _ => None,
    }
}

fn options<const N: usize>(op: &ConvTranspose, padding: &[usize]) -> Option<ConvTransposeOptions<N>> {
    let list = |list: &[usize]| <[usize; N]>::try_from(list).ok();
    let (stride, padding, dilation) = (list(&op.stride)?, list(padding)?, list(&op.dilation)?);
    Some(ConvTransposeOptions::new(stride, padding, list(&op.output_padding)?, dilation, op.groups))
}

fn transposed<const N: usize>(
    options: ConvTransposeOptions<N>,
    cut: Option<Vec<usize>>,
    run: fn(Any, Any, Option<Any>, ConvTransposeOptions<N>) -> Any,
) -> Runner {
    Runner::of(move |mut operands, call| {
        let (x, w, b) = three(&mut operands)?;
        let y = run(x, w, b, options.clone());
        let Some(before) = &cut else { return Ok(y) };
        let shape = call.shape();
        let start = |axis: usize| axis.checked_sub(2).map_or(0, |side| before[side]) as isize;
        let range = |(axis, &length): (usize, &usize)| Slice::from(start(axis)..start(axis) + length as isize);
        Ok(slice(y, &shape.iter().enumerate().map(range).collect::<Vec<_>>()))
    })
}
