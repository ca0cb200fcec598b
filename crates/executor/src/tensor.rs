//! Tensors of any rank and type on any of Burn's backends, and the way to and from the host.
use crate::error::{Error, Result};
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, DispatchDevice, DispatchTensor, TensorMetadata};
use burn::tensor::{Int, Shape, Slice, Tensor, TensorData};
use supple_graph::{Array, DType};

/// A tensor of any rank; Burn's dispatcher finds its backend.
pub(crate) type Any = DispatchTensor;

/// Moves an array to the device.
pub(crate) fn upload(array: &Array, dtype: DType, device: &DispatchDevice) -> Any {
    let shape = array.shape().to_vec();
    match dtype {
        DType::F32 => Dispatch::float_from_data(TensorData::new(array.data().to_vec(), shape), device),
        DType::I64 | DType::Bool => {
            let words: Vec<i64> = array.data().iter().map(|&v| v as i64).collect();
            Dispatch::int_from_data(TensorData::new(words, shape), device)
        }
    }
}

/// Moves a tensor to the host.
pub(crate) fn download(tensor: Any) -> Result<Array> {
    let shape = lengths(&tensor);
    let flat = reshape(tensor, vec![shape.iter().product::<usize>()]);
    let data = if is_float(&flat) {
        Tensor::<1>::from_dispatch(flat).into_data()
    } else {
        Tensor::<1, Int>::from_dispatch(flat).into_data()
    };
    let values = data.convert::<f32>().try_into_vec::<f32>();
    Ok(Array::new(shape, values.map_err(|error| Error::new("tensor", format!("{error:?}")))?)?)
}

/// Lengths of the axes.
pub(crate) fn lengths(tensor: &Any) -> Vec<usize> {
    tensor.shape().iter().copied().collect()
}

fn is_float(tensor: &Any) -> bool {
    tensor.dtype().is_float()
}

/// The same elements under another shape.
pub(crate) fn reshape(tensor: Any, shape: Vec<usize>) -> Any {
    let shape = Shape::from(shape);
    if is_float(&tensor) { Dispatch::float_reshape(tensor, shape) } else { Dispatch::int_reshape(tensor, shape) }
}

/// Another order of the axes.
pub(crate) fn permute(tensor: Any, order: &[usize]) -> Any {
    if is_float(&tensor) { Dispatch::float_permute(tensor, order) } else { Dispatch::int_permute(tensor, order) }
}

/// The elements within these ranges: a view where the backend can.
pub(crate) fn slice(tensor: Any, ranges: &[Slice]) -> Any {
    if is_float(&tensor) { Dispatch::float_slice(tensor, ranges) } else { Dispatch::int_slice(tensor, ranges) }
}

/// The prefix with these lengths: a view where the backend can.
pub(crate) fn prefix(tensor: Any, kept: &[usize]) -> Any {
    if lengths(&tensor) == kept { tensor } else { slice(tensor, &ranges(kept)) }
}

/// The ranges of a prefix.
pub(crate) fn ranges(kept: &[usize]) -> Vec<Slice> {
    kept.iter().map(|&n| Slice::from(0..n as isize)).collect()
}
