//! Our own kernels on Flex's buffers, without copies; on other backends nothing is taken and Burn's operators run.
use crate::tensor::Any;
use supple_graph::operators::Conv2d;

#[cfg(not(feature = "flex"))]
pub(crate) fn linear(_x: &Any, _w: &Any, _b: Option<&Any>, _threads: usize) -> Option<Any> {
    None
}

#[cfg(not(feature = "flex"))]
pub(crate) fn conv2d(_x: &Any, _w: &Any, _b: Option<&Any>, _op: &Conv2d, _threads: usize) -> Option<Any> {
    None
}

#[cfg(feature = "flex")]
pub(crate) use flex::{conv2d, linear};

#[cfg(feature = "flex")]
mod flex {
    use super::{Any, Conv2d};
    use crate::tensor::lengths;
    use burn::backend::{BackendTensor, BackendTypes, DispatchKindConversion, DispatchTensor, Flex};
    use burn::tensor::{DType, TensorData};
    use supple_kernels::{Args, Key, kernels};

    type FlexTensor = <Flex as BackendTypes>::FloatTensorPrimitive;

    /// The tensor on Flex; `None` on any other backend.
    fn flex(tensor: &Any) -> Option<FlexTensor> {
        let tensor = <DispatchTensor as DispatchKindConversion<Flex>>::try_into_backend(tensor.clone()).ok()?;
        match tensor {
            BackendTensor::Float(tensor) if tensor.dtype() == DType::F32 => Some(tensor),
            _ => None,
        }
    }

    /// The elements from the first on, and the distance between rows; `None` unless the axes within a row are dense.
    fn rows(tensor: &FlexTensor) -> Option<(&[f32], usize)> {
        let layout = tensor.layout();
        let axes = layout.shape().iter().zip(layout.strides()).skip(1).rev();
        let mut dense = 1;
        for (&length, &stride) in axes {
            if length != 1 && stride != dense {
                return None;
            }
            dense *= length as isize;
        }
        let stride = usize::try_from(*layout.strides().first()?).ok()?;
        Some((tensor.storage::<f32>().get(layout.start_offset()..)?, stride))
    }

    /// Runs the first kernel that takes the key made of the distance between the weights' rows.
    fn run(
        [x, w]: [&Any; 2],
        b: Option<&Any>,
        shape: Vec<usize>,
        threads: usize,
        key: impl FnOnce(usize) -> Key,
    ) -> Option<Any> {
        let (x, w) = (flex(x)?.to_contiguous(), flex(w)?);
        let b = b.map(flex);
        let b = match &b {
            Some(bias) => Some(bias.as_ref()?.as_slice::<f32>()?),
            None => None,
        };
        let (w, stride) = rows(&w)?;
        let key = key(stride);
        let mut y = vec![0.0; shape.iter().product()];
        let args = Args { key, x: x.as_slice::<f32>()?, w, b, y: &mut y, threads };
        kernels::find(&key)?.run(args).ok()?;
        let y = FlexTensor::from_data(TensorData::new(y, shape));
        Some(<DispatchTensor as DispatchKindConversion<Flex>>::from_backend(BackendTensor::Float(y)))
    }

    pub(crate) fn linear(x: &Any, w: &Any, b: Option<&Any>, threads: usize) -> Option<Any> {
        let (mut shape, outputs) = (lengths(x), lengths(w)[1]);
        let inputs = shape.pop()?;
        let rows = shape.iter().product();
        shape.push(outputs);
        run([x, w], b, shape, threads, |stride| Key::Linear { rows, inputs, outputs, stride })
    }

    pub(crate) fn conv2d(x: &Any, w: &Any, b: Option<&Any>, op: &Conv2d, threads: usize) -> Option<Any> {
        if op.dilation != [1, 1] {
            return None;
        }
        let (x_shape, w_shape) = (lengths(x), lengths(w));
        let (batch, inputs, outputs) = (x_shape[0], x_shape[1], w_shape[0]);
        let (side, taps) = ([x_shape[2], x_shape[3]], [w_shape[2], w_shape[3]]);
        let (step, padding) = (op.stride, op.padding);
        let [rows, columns] = Key::reach(side, taps, step, padding);
        let shape = vec![batch, outputs, rows, columns];
        run([x, w], b, shape, threads, |stride| Key::Conv2d {
            batch,
            inputs,
            outputs,
            side,
            taps,
            step,
            padding,
            stride,
        })
    }
}
