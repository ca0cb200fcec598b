//! Our kernels on the buffers of Burn's CPU backends.
use super::{AdamCall, AttentionCall, Blocks, Call, Kind, MaxPoolCall};
use crate::tensor::Any;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{DType, TensorData};
use std::borrow::Cow;
use supple_graph::Density;
use supple_kernels::adam::Moving;
use supple_kernels::{
    Active, Args, Attention, Conv2d, Layer, Linear, MaxPool, Operands, Pattern, ScoreBlocks, kernels,
};

/// One layer; its gradients belong to [`Autodiff`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub(crate) trait Layers: Backend {
    /// Output without a bias.
    fn layer(x: FloatTensor<Self>, w: FloatTensor<Self>, call: Call) -> FloatTensor<Self>;

    /// Output.
    fn layer_biased(x: FloatTensor<Self>, w: FloatTensor<Self>, b: FloatTensor<Self>, call: Call) -> FloatTensor<Self>;

    /// The values of these blocks of dense weights, `[rows of blocks, stored, height]`.
    fn pack(w: FloatTensor<Self>, blocks: Blocks) -> FloatTensor<Self>;

    /// `x` with zeros for all but the `count` elements of each row of the last axis that have the largest magnitudes, to which alone gradients come back.
    fn thin_inputs(x: FloatTensor<Self>, count: usize) -> FloatTensor<Self>;

    /// `y`, to which only the `count` largest gradients come back, of elements of an axis summed over all others.
    fn thin_gradient(y: FloatTensor<Self>, axis: usize, count: usize) -> FloatTensor<Self>;

    /// Attention of `q` to `k` with the values `v`.
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        call: AttentionCall,
    ) -> FloatTensor<Self>;

    /// The largest element of each window of `x`.
    fn largest(x: FloatTensor<Self>, call: MaxPoolCall) -> FloatTensor<Self>;

    /// A weight, its optimizer's memory (mean, square, their powers), and all of them after a step.
    #[allow(clippy::type_complexity, reason = "an extension returns tensors in tuples alone")]
    fn adam(
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        square: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        call: AdamCall,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The layer on the tensors' backend, which must be one that [`has_kernels`](super::has_kernels).
pub(crate) fn layer(x: &Any, w: &Any, b: Option<&Any>, call: Call) -> Option<Any> {
    let (x, w) = (x.clone(), w.clone());
    Some(match b {
        Some(b) => <Dispatch as Layers>::layer_biased(x, w, b.clone(), call),
        None => <Dispatch as Layers>::layer(x, w, call),
    })
}

/// The values of these blocks of dense weights, as a layer's call with them takes them.
pub(crate) fn pack(w: &Any, blocks: Blocks) -> Option<Any> {
    Some(<Dispatch as Layers>::pack(w.clone(), blocks))
}

/// The largest inputs of each row alone, on the tensor's backend, which must be one that [`has_kernels`](super::has_kernels).
pub(crate) fn thin_inputs(x: &Any, count: usize) -> Option<Any> {
    Some(<Dispatch as Layers>::thin_inputs(x.clone(), count))
}

/// What the gradient comes back to in part, on the tensor's backend, which must be one that [`has_kernels`](super::has_kernels).
pub(crate) fn thin_gradient(y: &Any, axis: usize, count: usize) -> Option<Any> {
    Some(<Dispatch as Layers>::thin_gradient(y.clone(), axis, count))
}

/// Attention on the tensors' backend, which must be one that [`has_kernels`](super::has_kernels).
pub(crate) fn attention([q, k, v]: [&Any; 3], call: AttentionCall) -> Option<Any> {
    Some(<Dispatch as Layers>::attend(q.clone(), k.clone(), v.clone(), call))
}

/// Max-pooling on the tensor's backend, which must be one that [`has_kernels`](super::has_kernels).
pub(crate) fn max_pool(x: &Any, call: MaxPoolCall) -> Option<Any> {
    Some(<Dispatch as Layers>::largest(x.clone(), call))
}

/// A step of Adam on the tensors' backend, which must be one that [`has_kernels`](super::has_kernels): weight, mean, square, their powers.
pub(crate) fn adam([weight, mean, square, first, second]: [Any; 5], gradient: Any, call: AdamCall) -> Option<[Any; 5]> {
    let (weight, mean, square, first, second) =
        <Dispatch as Layers>::adam(weight, mean, square, first, second, gradient, call);
    Some([weight, mean, square, first, second])
}

pub(super) type Floats<B> = FloatTensor<B>;

/// The elements of a tensor in rows of its first axis, dense within a row, and the distance between rows.
type Rows<'a> = (Cow<'a, [f32]>, usize);

/// A backend whose tensors lie in memory.
pub(super) trait Buffers: Backend {
    /// The elements where they lie, copied only where a row is not dense.
    fn rows(tensor: &Floats<Self>) -> Rows<'_>;

    /// All elements, one row after the other, to be changed where they lie if nobody else has the tensor.
    fn elements(tensor: &mut Floats<Self>) -> &mut [f32];

    /// A tensor of these elements.
    fn build(data: TensorData) -> Floats<Self>;
}

pub(super) fn lengths(tensor: &impl TensorMetadata) -> Vec<usize> {
    tensor.shape().iter().copied().collect()
}

/// All elements, one row after the other.
pub(super) fn dense<B: Buffers>(tensor: &Floats<B>) -> Cow<'_, [f32]> {
    let shape = lengths(tensor);
    let row: usize = shape.iter().skip(1).product();
    let (data, stride) = B::rows(tensor);
    if stride == row || shape[0] < 2 {
        return match data {
            Cow::Borrowed(data) => Cow::Borrowed(&data[..shape[0] * row]),
            owned @ Cow::Owned(_) => owned,
        };
    }
    let rows = (0..shape[0]).flat_map(|i| data[i * stride..][..row].iter().copied());
    Cow::Owned(rows.collect())
}

/// The layer that these shapes make, and the shape of its output.
fn describe(x: &[usize], w: &[usize], row_stride: usize, call: &Call) -> (Layer, Vec<usize>) {
    match &call.kind {
        Kind::Linear => {
            let (inputs, outputs) = (w[0], w[1]);
            let mut shape = x.to_vec();
            let rows = x[..x.len() - 1].iter().product();
            shape[x.len() - 1] = outputs;
            (Layer::Linear(Linear { rows, inputs, outputs, row_stride }), shape)
        }
        Kind::Conv2d(op) => {
            let conv = Conv2d {
                batch: x[0],
                inputs: x[1],
                outputs: w[0],
                groups: op.groups,
                size: [x[2], x[3]],
                kernel: [w[2], w[3]],
                stride: op.stride,
                padding: op.padding,
                dilation: op.dilation,
                row_stride,
            };
            let [height, width] = conv.output_size();
            (Layer::Conv2d(conv), vec![x[0], w[0], height, width])
        }
    }
}

/// The layer of a call, and the shape of its output. `row_stride` is that of dense weights.
pub(super) fn layer_of<B: Buffers>(x: &[usize], w: &Floats<B>, row_stride: usize, call: &Call) -> (Layer, Vec<usize>) {
    let Some(blocks) = &call.blocks else { return describe(x, &lengths(w), row_stride, call) };
    let mut shape = blocks.shape().to_vec();
    if matches!((&call.kind, shape.len()), (Kind::Conv2d(_), 3)) {
        shape.insert(2, 1);
    }
    describe(x, &shape, shape.iter().skip(1).product(), call)
}

fn pattern(call: &Call) -> Pattern<'_> {
    call.blocks.as_ref().map_or(Pattern::Dense, Blocks::pattern)
}

/// Runs the kernel for these arguments. The shapes come from a checked graph.
fn run(args: Args<'_>) {
    let key = args.key();
    let kernel = kernels::find(&key);
    let done = kernel.map(|kernel| kernel.run(args));
    assert!(matches!(done, Some(Ok(()))), "{key:?}: {done:?}");
}

fn forward<B: Buffers>(x: &Floats<B>, w: &Floats<B>, b: Option<&Floats<B>>, call: &Call) -> Floats<B> {
    let ((w_rows, stride), x_rows) = (B::rows(w), dense::<B>(x));
    let b = b.map(dense::<B>);
    let (layer, shape) = layer_of::<B>(&lengths(x), w, stride, call);
    let mut y = vec![0.0; shape.iter().product()];
    let active = call.skip.and_then(|limit| active(&layer, &x_rows, limit));
    let pattern = active.as_deref().map_or(pattern(call), |inputs| Pattern::Active(Active::new(inputs)));
    let operands = Operands::Forward { x: &x_rows, w: &w_rows, b: b.as_deref(), relu: call.relu, y: &mut y };
    run(Args { layer, pattern, operands, threads: call.threads });
    B::build(TensorData::new(y, shape))
}

/// The inputs that are not zero in some of few rows, where they are no more than `limit` of all.
fn active(layer: &Layer, x: &[f32], limit: Density) -> Option<Vec<u32>> {
    let Layer::Linear(Linear { rows, inputs, .. }) = *layer else { return None };
    let found = (rows <= Active::MOST_ROWS).then(|| Active::find(x, inputs))?;
    (found.len() <= limit.kept(inputs)).then_some(found)
}

pub(super) fn input_gradient<B: Buffers>(dy: &Floats<B>, w: &Floats<B>, x: &Floats<B>, call: &Call) -> Floats<B> {
    let (w_rows, stride) = B::rows(w);
    let shape = lengths(x);
    let (layer, _) = layer_of::<B>(&shape, w, stride, call);
    let mut dx = vec![0.0; shape.iter().product()];
    let operands = Operands::BackwardInput { dy: &dense::<B>(dy), w: &w_rows, dx: &mut dx };
    run(Args { layer, pattern: pattern(call), operands, threads: call.threads });
    B::build(TensorData::new(dx, shape))
}

pub(super) fn weight_gradient<B: Buffers>(
    dy: &Floats<B>,
    w: &Floats<B>,
    x: &Floats<B>,
    call: &Call,
) -> (Floats<B>, Floats<B>) {
    let shape = lengths(w);
    let (layer, _) = layer_of::<B>(&lengths(x), w, shape.iter().skip(1).product(), call);
    let [_, _, b, _] = layer.lengths();
    let (mut dw, mut db) = (vec![0.0; shape.iter().product()], vec![0.0; b]);
    let operands = Operands::BackwardWeight { dy: &dense::<B>(dy), x: &dense::<B>(x), dw: &mut dw, db: Some(&mut db) };
    run(Args { layer, pattern: pattern(call), operands, threads: call.threads });
    (B::build(TensorData::new(dw, shape)), B::build(TensorData::new(db, vec![b])))
}

/// The attention that these shapes make.
fn attention_of(q: &[usize], k: &[usize], v: &[usize], call: AttentionCall) -> Attention {
    let last = |shape: &[usize], back: usize| shape[shape.len() - back];
    Attention {
        matrices: q[..q.len() - 2].iter().product(),
        queries: last(q, 2),
        tokens: last(k, 2),
        width: last(q, 1),
        features: last(v, 1),
        scale: call.scale as f32,
        causal: call.causal,
    }
}

/// The blocks of scores that are computed, if not all.
fn seen(attention: &Attention, call: AttentionCall) -> Option<ScoreBlocks> {
    let found = ScoreBlocks::near(attention, call.near?);
    debug_assert!(found.is_ok(), "{found:?}");
    found.ok()
}

fn attend<B: Buffers>([q, k, v]: [&Floats<B>; 3], call: AttentionCall) -> Floats<B> {
    let shapes = [q, k, v].map(lengths);
    let attention = attention_of(&shapes[0], &shapes[1], &shapes[2], call);
    let [mut shape, _, of_v] = shapes;
    shape.pop();
    shape.extend(of_v.last());
    let mut y = vec![0.0; shape.iter().product()];
    let operands = [&dense::<B>(q)[..], &dense::<B>(k), &dense::<B>(v)];
    let done = attention.forward(seen(&attention, call).as_ref(), operands, &mut y, call.threads);
    assert!(done.is_ok(), "{done:?}");
    B::build(TensorData::new(y, shape))
}

/// The gradients of q, k and v.
pub(super) fn attend_backward<B: Buffers>(
    dy: &Floats<B>,
    operands: [&Floats<B>; 3],
    call: AttentionCall,
) -> [Floats<B>; 3] {
    let shapes = operands.map(lengths);
    let attention = attention_of(&shapes[0], &shapes[1], &shapes[2], call);
    let [q, k, v] = operands.map(dense::<B>);
    let [mut dq, mut dk, mut dv] = [&q, &k, &v].map(|like| vec![0.0; like.len()]);
    let gradients = [&mut dq[..], &mut dk, &mut dv];
    let done =
        attention.backward(seen(&attention, call).as_ref(), [&q, &k, &v], &dense::<B>(dy), gradients, call.threads);
    assert!(done.is_ok(), "{done:?}");
    let [of_q, of_k, of_v] = shapes;
    [(dq, of_q), (dk, of_k), (dv, of_v)].map(|(data, shape)| B::build(TensorData::new(data, shape)))
}

/// The tensors after a step of Adam.
fn step<B: Buffers>(mut moving: [Floats<B>; 5], gradient: &Floats<B>, call: &AdamCall) -> [Floats<B>; 5] {
    let [weight, mean, square, first, second] = moving.each_mut().map(B::elements);
    let moving_elements = Moving { weight, mean, square, powers: [first, second] };
    let gradient = dense::<B>(gradient);
    let done = call.adam.step(moving_elements, &gradient, call.there.as_deref(), &call.stretches, call.threads);
    assert!(done.is_ok(), "{done:?}");
    moving
}

fn pool_of(x: &[usize], MaxPoolCall { windows, kernel, stride, padding, dilation, .. }: MaxPoolCall) -> MaxPool {
    MaxPool { planes: x[0] * x[1], size: [x[2], x[3]], windows, kernel, stride, padding, dilation }
}

fn largest<B: Buffers>(x: &Floats<B>, call: MaxPoolCall) -> Floats<B> {
    let shape = lengths(x);
    let pool = pool_of(&shape, call);
    let shape = vec![shape[0], shape[1], call.windows[0], call.windows[1]];
    let mut y = vec![0.0; shape.iter().product()];
    let done = pool.forward(&dense::<B>(x), &mut y, call.threads);
    assert!(done.is_ok(), "{done:?}");
    B::build(TensorData::new(y, shape))
}

pub(super) fn largest_backward<B: Buffers>(dy: &Floats<B>, x: &Floats<B>, call: MaxPoolCall) -> Floats<B> {
    let shape = lengths(x);
    let mut dx = vec![0.0; shape.iter().product()];
    let done = pool_of(&shape, call).backward(&dense::<B>(x), &dense::<B>(dy), &mut dx, call.threads);
    assert!(done.is_ok(), "{done:?}");
    B::build(TensorData::new(dx, shape))
}

/// `values` with zeros but in the places of the largest elements of each row of `x`.
pub(super) fn keep_largest<B: Buffers>(x: &Floats<B>, values: &Floats<B>, count: usize) -> Floats<B> {
    let shape = lengths(x);
    let inputs = shape.last().copied().unwrap_or(1);
    B::build(TensorData::new(Active::largest(&dense::<B>(x), &dense::<B>(values), inputs, count), shape))
}

fn gather<B: Buffers>(w: &Floats<B>, blocks: &Blocks) -> Floats<B> {
    B::build(TensorData::new(blocks.gather(&dense::<B>(w)), blocks.packed_shape()))
}

/// The layers of a backend whose tensors lie in memory.
macro_rules! layers {
    ($backend:ty) => {
        impl Layers for $backend {
            fn attend(q: Floats<Self>, k: Floats<Self>, v: Floats<Self>, call: AttentionCall) -> Floats<Self> {
                attend::<Self>([&q, &k, &v], call)
            }

            fn largest(x: Floats<Self>, call: MaxPoolCall) -> Floats<Self> {
                largest::<Self>(&x, call)
            }

            fn adam(
                weight: Floats<Self>,
                mean: Floats<Self>,
                square: Floats<Self>,
                first: Floats<Self>,
                second: Floats<Self>,
                gradient: Floats<Self>,
                call: AdamCall,
            ) -> (Floats<Self>, Floats<Self>, Floats<Self>, Floats<Self>, Floats<Self>) {
                step::<Self>([weight, mean, square, first, second], &gradient, &call).into()
            }

            fn pack(w: Floats<Self>, blocks: Blocks) -> Floats<Self> {
                gather::<Self>(&w, &blocks)
            }

            fn thin_inputs(x: Floats<Self>, count: usize) -> Floats<Self> {
                keep_largest::<Self>(&x, &x, count)
            }

            fn thin_gradient(y: Floats<Self>, _axis: usize, _count: usize) -> Floats<Self> {
                y
            }

            fn layer(x: Floats<Self>, w: Floats<Self>, call: Call) -> Floats<Self> {
                forward::<Self>(&x, &w, None, &call)
            }

            fn layer_biased(x: Floats<Self>, w: Floats<Self>, b: Floats<Self>, call: Call) -> Floats<Self> {
                forward::<Self>(&x, &w, Some(&b), &call)
            }
        }
    };
}

#[cfg(feature = "flex")]
layers!(burn::backend::Flex);

#[cfg(feature = "ndarray")]
layers!(burn::backend::NdArray);

#[cfg(feature = "flex")]
impl Buffers for burn::backend::Flex {
    fn rows(tensor: &Floats<Self>) -> Rows<'_> {
        let layout = tensor.layout();
        let axes = layout.shape().iter().zip(layout.strides()).skip(1).rev();
        let mut row = 1;
        let mut is_dense = tensor.dtype() == DType::F32;
        for (&length, &stride) in axes {
            is_dense &= length == 1 || stride == row;
            row *= length as isize;
        }
        let stride = layout.strides().first().and_then(|&stride| usize::try_from(stride).ok());
        match stride {
            Some(stride) if is_dense => (Cow::Borrowed(&tensor.storage::<f32>()[layout.start_offset()..]), stride),
            _ => {
                let copy = tensor.to_contiguous();
                (Cow::Owned(copy.as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default()), row as usize)
            }
        }
    }

    fn elements(tensor: &mut Floats<Self>) -> &mut [f32] {
        if !tensor.is_contiguous() || tensor.layout().start_offset() != 0 {
            *tensor = tensor.to_contiguous();
        }
        let count = lengths(tensor).iter().product();
        &mut tensor.storage_mut::<f32>()[..count]
    }

    fn build(data: TensorData) -> Floats<Self> {
        <Floats<Self>>::from_data(data)
    }
}

#[cfg(feature = "ndarray")]
impl Buffers for burn::backend::NdArray {
    fn rows(tensor: &Floats<Self>) -> Rows<'_> {
        let row = lengths(tensor).iter().skip(1).product();
        match tensor {
            burn::backend::ndarray::NdArrayTensor::F32(storage) => {
                let view = storage.view();
                match view.to_slice() {
                    Some(data) => (Cow::Borrowed(data), row),
                    None => (Cow::Owned(view.iter().copied().collect()), row),
                }
            }
            _ => (Cow::Owned(Vec::new()), row),
        }
    }

    fn elements(tensor: &mut Floats<Self>) -> &mut [f32] {
        let burn::backend::ndarray::NdArrayTensor::F32(storage) = tensor else { return &mut [] };
        let array = storage.ensure_owned();
        if !array.is_standard_layout() {
            *array = array.as_standard_layout().into_shared();
        }
        array.as_slice_mut().unwrap_or_default()
    }

    fn build(data: TensorData) -> Floats<Self> {
        <Floats<Self>>::from_data(data)
    }
}
