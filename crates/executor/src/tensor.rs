//! Tensors of any rank on any of Burn's backends, and the way to and from the host.
use crate::error::{Error, Result};
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, DispatchDevice, DispatchTensor, TensorMetadata};
use burn::tensor::{Shape, Slice, Tensor, TensorData};
use supple_graph::{Array, DType};

/// A tensor of any rank; Burn's dispatcher finds its backend.
pub(crate) type Any = DispatchTensor;

/// Moves an array to the device.
pub(crate) fn upload(array: &Array, dtype: DType, device: &DispatchDevice) -> Any {
    let shape = array.shape().to_vec();
    match dtype {
        DType::F32 => Dispatch::float_from_data(TensorData::new(array.data().to_vec(), shape), device),
        DType::I64 => {
            let words: Vec<i64> = array.data().iter().map(|&v| v as i64).collect();
            Dispatch::int_from_data(TensorData::new(words, shape), device)
        }
    }
}

/// Moves a float tensor to the host.
pub(crate) fn download(tensor: Any) -> Result<Array> {
    let shape = lengths(&tensor);
    let flat = Dispatch::float_reshape(tensor, Shape::from(vec![shape.iter().product::<usize>()]));
    let data = Tensor::<1>::from_dispatch(flat).into_data();
    let values =
        data.convert::<f32>().try_into_vec::<f32>().map_err(|error| Error::new("tensor", format!("{error:?}")))?;
    Ok(Array::new(shape, values)?)
}

/// Lengths of the axes.
pub(crate) fn lengths(tensor: &Any) -> Vec<usize> {
    tensor.shape().iter().copied().collect()
}

/// The prefix of a float tensor with these lengths: a view where the backend can.
pub(crate) fn prefix(tensor: Any, kept: &[usize]) -> Any {
    if lengths(&tensor) == kept { tensor } else { Dispatch::float_slice(tensor, &ranges(kept)) }
}

/// The ranges of a prefix.
pub(crate) fn ranges(kept: &[usize]) -> Vec<Slice> {
    kept.iter().map(|&n| Slice::from(0..n as isize)).collect()
}
