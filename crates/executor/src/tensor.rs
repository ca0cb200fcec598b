//! Tensors of any rank and type on any of Burn's backends, and the way to and from the host.
use crate::error::{Error, Result};
use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, DispatchDevice, DispatchTensor, TensorMetadata};
use burn::tensor::ops::PadMode;
use burn::tensor::{Bool, Device, Int, Shape, Slice, Tensor, TensorData};
use supple_graph::{Array, DType};

/// A tensor of any rank; Burn's dispatcher finds its backend.
pub(crate) type Any = DispatchTensor;

/// What a tensor's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float,
    Int,
    Bool,
}

impl Kind {
    fn of(tensor: &Any) -> Self {
        match tensor.dtype() {
            dtype if dtype.is_float() => Self::Float,
            dtype if dtype.is_bool() => Self::Bool,
            _ => Self::Int,
        }
    }
}

/// Burn's operator for the kind of `tensor`, with `tensor` as its first operand.
macro_rules! by_kind {
    ($float:ident, $int:ident, $bool:ident, $tensor:expr $(, $more:expr)*) => {{
        let tensor = $tensor;
        match Kind::of(&tensor) {
            Kind::Float => Dispatch::$float(tensor $(, $more)*),
            Kind::Int => Dispatch::$int(tensor $(, $more)*),
            Kind::Bool => Dispatch::$bool(tensor $(, $more)*),
        }
    }};
}

/// Moves an array to the device.
pub(crate) fn upload(array: &Array, dtype: DType, device: &DispatchDevice) -> Any {
    let shape = array.shape().to_vec();
    match dtype {
        DType::F32 => Dispatch::float_from_data(TensorData::new(array.data().to_vec(), shape), device),
        DType::I64 => {
            let words: Vec<i64> = array.data().iter().map(|&v| v as i64).collect();
            Dispatch::int_from_data(TensorData::new(words, shape), device)
        }
        DType::Bool => {
            let numbers = Dispatch::float_from_data(TensorData::new(array.data().to_vec(), shape), device);
            let settings = Device::new(device.clone()).settings();
            Dispatch::float_not_equal_elem(numbers, 0.0.into(), settings.bool_dtype)
        }
    }
}

/// Moves a tensor to the host.
pub(crate) fn download(tensor: Any) -> Result<Array> {
    let shape = lengths(&tensor);
    let flat = reshape(tensor, vec![shape.iter().product::<usize>()]);
    let data = match Kind::of(&flat) {
        Kind::Float => Tensor::<1>::from_dispatch(flat).into_data(),
        Kind::Int => Tensor::<1, Int>::from_dispatch(flat).into_data(),
        Kind::Bool => Tensor::<1, Bool>::from_dispatch(flat).into_data(),
    };
    let values = data.convert::<f32>().try_into_vec::<f32>();
    Ok(Array::new(shape, values.map_err(|error| Error::new("tensor", format!("{error:?}")))?)?)
}

/// Moves truth values to the host.
pub(crate) fn truths(tensor: Any) -> Result<Vec<bool>> {
    let count = lengths(&tensor).iter().product::<usize>();
    let data = Tensor::<1, Bool>::from_dispatch(reshape(tensor, vec![count])).into_data();
    data.convert::<bool>().try_into_vec::<bool>().map_err(|error| Error::new("tensor", format!("{error:?}")))
}

/// Lengths of the axes.
pub(crate) fn lengths(tensor: &Any) -> Vec<usize> {
    tensor.shape().iter().copied().collect()
}

/// The same elements under another shape.
pub(crate) fn reshape(tensor: Any, shape: Vec<usize>) -> Any {
    if lengths(&tensor) == shape {
        return tensor;
    }
    by_kind!(float_reshape, int_reshape, bool_reshape, tensor, Shape::from(shape))
}

/// The tensor with axes of length one before its own, as many as make `rank`.
pub(crate) fn with_rank(tensor: Any, rank: usize) -> Any {
    let own = lengths(&tensor);
    let lead = rank.saturating_sub(own.len());
    reshape(tensor, [vec![1; lead], own].concat())
}

/// The elements repeated along axes of length one, missing ones included, to `shape`.
pub(crate) fn expand(tensor: Any, shape: &[usize]) -> Any {
    let tensor = with_rank(tensor, shape.len());
    if lengths(&tensor) == shape {
        return tensor;
    }
    by_kind!(float_expand, int_expand, bool_expand, tensor, Shape::from(shape.to_vec()))
}

/// Another order of the axes.
pub(crate) fn permute(tensor: Any, order: &[usize]) -> Any {
    by_kind!(float_permute, int_permute, bool_permute, tensor, order)
}

/// Tensors of one kind, one behind the other along an axis.
pub(crate) fn concat(tensors: Vec<Any>, axis: usize) -> Any {
    match tensors.first().map_or(Kind::Float, Kind::of) {
        Kind::Float => Dispatch::float_cat(tensors, axis),
        Kind::Int => Dispatch::int_cat(tensors, axis),
        Kind::Bool => Dispatch::bool_cat(tensors, axis),
    }
}

/// The elements with a border around them; not for truth values.
pub(crate) fn pad(tensor: Any, widths: &[(usize, usize)], mode: PadMode) -> Any {
    match Kind::of(&tensor) {
        Kind::Float => Dispatch::float_pad(tensor, widths, mode),
        Kind::Int | Kind::Bool => Dispatch::int_pad(tensor, widths, mode),
    }
}

/// The slices of an axis at these indices, whole numbers in a tensor with one axis.
pub(crate) fn select(tensor: Any, axis: usize, indices: Any) -> Any {
    by_kind!(float_select, int_select, bool_select, tensor, axis, indices)
}

/// `value` where `mask` is true, else `tensor`; all three of one shape.
pub(crate) fn choose(tensor: Any, mask: Any, value: Any) -> Any {
    by_kind!(float_mask_where, int_mask_where, bool_mask_where, tensor, mask, value)
}

/// The elements within these ranges: a view where the backend can.
pub(crate) fn slice(tensor: Any, ranges: &[Slice]) -> Any {
    by_kind!(float_slice, int_slice, bool_slice, tensor, ranges)
}

/// The tensor with the elements within these ranges replaced.
pub(crate) fn slice_assign(tensor: Any, ranges: &[Slice], value: Any) -> Any {
    by_kind!(float_slice_assign, int_slice_assign, bool_slice_assign, tensor, ranges, value)
}
