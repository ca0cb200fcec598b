//! Linear layers and convolutions as an extension of Burn's CPU backends: our kernels on their buffers, forward and backward.
use crate::blocks::Blocks;
use crate::device::Backend;
use crate::tensor::Any;
use supple_graph::operators::Conv;

/// Which layer a call computes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `x W + b`, W `[inputs, outputs]`.
    Linear,
    /// A convolution over two axes.
    Conv2d(Window2d),
}

/// A convolution over two axes: numbers for rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window2d {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Window2d {
    /// `None` unless it runs over two axes, with as much padding before as after.
    pub fn of(conv: &Conv) -> Option<Self> {
        let pair = |list: &[usize]| list.try_into().ok();
        let padding: Vec<usize> = conv.padding.iter().map(|[before, _]| *before).collect();
        let even = conv.padding.iter().all(|[before, after]| before == after);
        let window = Self {
            stride: pair(&conv.stride)?,
            padding: pair(&padding)?,
            dilation: pair(&conv.dilation)?,
            groups: conv.groups,
        };
        even.then_some(window)
    }
}

/// What a call of a layer says besides its operands.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub kind: Kind,
    /// Which weights are there, if not all; then the weights are the values of these blocks.
    pub blocks: Option<Blocks>,
    /// Negative outputs become zero.
    pub relu: bool,
    pub threads: usize,
}

/// Whether our kernels run on this backend.
pub(crate) fn has_kernels(backend: Backend) -> bool {
    match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => true,
        #[cfg(feature = "ndarray")]
        Backend::NdArray => true,
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => false,
    }
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn layer(_x: &Any, _w: &Any, _b: Option<&Any>, _call: Call) -> Option<Any> {
    None
}

#[cfg(not(any(feature = "flex", feature = "ndarray")))]
pub(crate) fn pack(_w: &Any, _blocks: Blocks) -> Option<Any> {
    None
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(crate) use extension::{layer, pack};

#[cfg(any(feature = "flex", feature = "ndarray"))]
mod extension {
    use super::{Any, Blocks, Call, Kind};
    use burn::backend::autodiff::NodeId;
    use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
    use burn::tensor::{DType, TensorData};
    use std::borrow::Cow;
    use supple_kernels::{Args, Conv2d, Layer, Linear, Operands, Pattern, kernels};

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
        fn layer_biased(
            x: FloatTensor<Self>,
            w: FloatTensor<Self>,
            b: FloatTensor<Self>,
            call: Call,
        ) -> FloatTensor<Self>;

        /// The values of these blocks of dense weights, `[rows of blocks, stored, height]`.
        fn pack(w: FloatTensor<Self>, blocks: Blocks) -> FloatTensor<Self>;
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

    type Floats<B> = FloatTensor<B>;

    /// The elements of a tensor in rows of its first axis, dense within a row, and the distance between rows.
    type Rows<'a> = (Cow<'a, [f32]>, usize);

    /// A backend whose tensors lie in memory.
    trait Buffers: Backend {
        /// The elements where they lie, copied only where a row is not dense.
        fn rows(tensor: &Floats<Self>) -> Rows<'_>;

        /// A tensor of these elements.
        fn build(data: TensorData) -> Floats<Self>;
    }

    fn lengths(tensor: &impl TensorMetadata) -> Vec<usize> {
        tensor.shape().iter().copied().collect()
    }

    /// All elements, one row after the other.
    fn dense<B: Buffers>(tensor: &Floats<B>) -> Cow<'_, [f32]> {
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
    fn layer_of<B: Buffers>(x: &[usize], w: &Floats<B>, row_stride: usize, call: &Call) -> (Layer, Vec<usize>) {
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
        let operands = Operands::Forward { x: &x_rows, w: &w_rows, b: b.as_deref(), relu: call.relu, y: &mut y };
        run(Args { layer, pattern: pattern(call), operands, threads: call.threads });
        B::build(TensorData::new(y, shape))
    }

    fn input_gradient<B: Buffers>(dy: &Floats<B>, w: &Floats<B>, x: &Floats<B>, call: &Call) -> Floats<B> {
        let (w_rows, stride) = B::rows(w);
        let shape = lengths(x);
        let (layer, _) = layer_of::<B>(&shape, w, stride, call);
        let mut dx = vec![0.0; shape.iter().product()];
        let operands = Operands::BackwardInput { dy: &dense::<B>(dy), w: &w_rows, dx: &mut dx };
        run(Args { layer, pattern: pattern(call), operands, threads: call.threads });
        B::build(TensorData::new(dx, shape))
    }

    fn weight_gradient<B: Buffers>(
        dy: &Floats<B>,
        w: &Floats<B>,
        x: &Floats<B>,
        call: &Call,
    ) -> (Floats<B>, Floats<B>) {
        let shape = lengths(w);
        let (layer, _) = layer_of::<B>(&lengths(x), w, shape.iter().skip(1).product(), call);
        let [_, _, b, _] = layer.lengths();
        let (mut dw, mut db) = (vec![0.0; shape.iter().product()], vec![0.0; b]);
        let operands =
            Operands::BackwardWeight { dy: &dense::<B>(dy), x: &dense::<B>(x), dw: &mut dw, db: Some(&mut db) };
        run(Args { layer, pattern: pattern(call), operands, threads: call.threads });
        (B::build(TensorData::new(dw, shape)), B::build(TensorData::new(db, vec![b])))
    }

    fn gather<B: Buffers>(w: &Floats<B>, blocks: &Blocks) -> Floats<B> {
        B::build(TensorData::new(blocks.gather(&dense::<B>(w)), blocks.packed_shape()))
    }

    #[cfg(feature = "flex")]
    impl Layers for burn::backend::Flex {
        fn pack(w: Floats<Self>, blocks: Blocks) -> Floats<Self> {
            gather::<Self>(&w, &blocks)
        }

        fn layer(x: Floats<Self>, w: Floats<Self>, call: Call) -> Floats<Self> {
            forward::<Self>(&x, &w, None, &call)
        }

        fn layer_biased(x: Floats<Self>, w: Floats<Self>, b: Floats<Self>, call: Call) -> Floats<Self> {
            forward::<Self>(&x, &w, Some(&b), &call)
        }
    }

    #[cfg(feature = "ndarray")]
    impl Layers for burn::backend::NdArray {
        fn pack(w: Floats<Self>, blocks: Blocks) -> Floats<Self> {
            gather::<Self>(&w, &blocks)
        }

        fn layer(x: Floats<Self>, w: Floats<Self>, call: Call) -> Floats<Self> {
            forward::<Self>(&x, &w, None, &call)
        }

        fn layer_biased(x: Floats<Self>, w: Floats<Self>, b: Floats<Self>, call: Call) -> Floats<Self> {
            forward::<Self>(&x, &w, Some(&b), &call)
        }
    }

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

        fn build(data: TensorData) -> Floats<Self> {
            <Floats<Self>>::from_data(data)
        }
    }

    /// The backward pass of [`Layers::layer`].
    #[derive(Debug)]
    struct LayerBackward;

    /// Registers the gradients of x and w, and returns that of the bias where it is wanted.
    fn backward<B: Buffers, const N: usize>(
        ops: Ops<(NodeId, NodeId, Call), N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let dy = grads.consume::<B>(&ops.node);
        let (x, w, call) = ops.state;
        let x = checkpointer.retrieve_node_output::<Floats<B>>(x);
        let w = checkpointer.retrieve_node_output::<Floats<B>>(w);
        let mut parents = ops.parents.into_iter();
        let (node_x, node_w, node_b) = (parents.next().flatten(), parents.next().flatten(), parents.next().flatten());
        if let Some(node) = node_x {
            let dx = input_gradient::<B>(&dy, &w, &x, &call);
            grads.register::<B>(node.id, dx);
        }
        if node_w.is_some() || node_b.is_some() {
            let (dw, db) = weight_gradient::<B>(&dy, &w, &x, &call);
            if let Some(node) = node_w {
                grads.register::<B>(node.id, dw);
            }
            if let Some(node) = node_b {
                grads.register::<B>(node.id, db);
            }
        }
    }

    impl<B: Buffers> Backward<B, 2> for LayerBackward {
        type State = (NodeId, NodeId, Call);

        fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
            backward::<B, 2>(ops, grads, checkpointer);
        }
    }

    impl<B: Buffers> Backward<B, 3> for LayerBackward {
        type State = (NodeId, NodeId, Call);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
            backward::<B, 3>(ops, grads, checkpointer);
        }
    }

    /// The backward pass of [`Layers::pack`]: the gradient of a weight that is left out is zero.
    #[derive(Debug)]
    struct PackBackward;

    impl<B: Buffers> Backward<B, 1> for PackBackward {
        type State = Blocks;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
            let dy = grads.consume::<B>(&ops.node);
            if let [Some(node)] = ops.parents {
                let dw = ops.state.scatter(&dense::<B>(&dy));
                grads.register::<B>(node.id, B::build(TensorData::new(dw, ops.state.shape().to_vec())));
            }
        }
    }

    /// The gradient of a fused ReLU is not kept: callers fuse only where nothing is differentiated.
    impl<B: Layers + Buffers, C: CheckpointStrategy> Layers for Autodiff<B, C> {
        fn pack(w: Floats<Self>, blocks: Blocks) -> Floats<Self> {
            match PackBackward.prepare::<C>([w.node()]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(blocks.clone(), B::pack(w.into_primitive(), blocks)),
                OpsKind::UnTracked(prep) => prep.finish(B::pack(w.into_primitive(), blocks)),
            }
        }

        fn layer(x: Floats<Self>, w: Floats<Self>, call: Call) -> Floats<Self> {
            match LayerBackward.prepare::<C>([x.node(), w.node()]).compute_bound().stateful() {
                OpsKind::Tracked(mut prep) => {
                    let state = (prep.checkpoint(&x), prep.checkpoint(&w), call.clone());
                    prep.finish(state, B::layer(x.into_primitive(), w.into_primitive(), call))
                }
                OpsKind::UnTracked(prep) => prep.finish(B::layer(x.into_primitive(), w.into_primitive(), call)),
            }
        }

        fn layer_biased(x: Floats<Self>, w: Floats<Self>, b: Floats<Self>, call: Call) -> Floats<Self> {
            match LayerBackward.prepare::<C>([x.node(), w.node(), b.node()]).compute_bound().stateful() {
                OpsKind::Tracked(mut prep) => {
                    let state = (prep.checkpoint(&x), prep.checkpoint(&w), call.clone());
                    let b = b.into_primitive();
                    prep.finish(state, B::layer_biased(x.into_primitive(), w.into_primitive(), b, call))
                }
                OpsKind::UnTracked(prep) => {
                    let b = b.into_primitive();
                    prep.finish(B::layer_biased(x.into_primitive(), w.into_primitive(), b, call))
                }
            }
        }
    }
}
