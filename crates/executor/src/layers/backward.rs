//! The gradients of what the extension adds.
use super::extension::{
    Buffers, Floats, Layers, attend_backward, dense, input_gradient, keep_largest, largest_backward, lengths,
    weight_gradient,
};
use super::top::Largest;
use super::{AdamCall, AttentionCall, Blocks, Call, MaxPoolCall};
use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorData;
use supple_kernels::relu::relu_backward;

/// The backward pass of [`Layers::layer`].
#[derive(Debug)]
struct LayerBackward;

/// What [`LayerBackward`] needs.
#[derive(Clone, Debug)]
struct State<B: Buffers> {
    /// x and w.
    operands: [NodeId; 2],
    call: Call,
    /// The output, where ReLU cut it.
    cut: Option<Floats<B>>,
}

/// Registers the gradients of x, w and the bias where they are wanted.
fn backward<B: Buffers, const N: usize>(ops: Ops<State<B>, N>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
    let mut dy = grads.consume::<B>(&ops.node);
    let State { operands: [x, w], call, cut } = ops.state;
    if let Some(y) = cut {
        let done = relu_backward(&dense::<B>(&y), B::elements(&mut dy), call.threads);
        assert!(done.is_ok(), "{done:?}");
    }
    let x = checkpointer.retrieve_node_output::<Floats<B>>(x);
    let w = checkpointer.retrieve_node_output::<Floats<B>>(w);
    let mut parents = ops.parents.into_iter();
    let (node_x, node_w, node_b) = (parents.next().flatten(), parents.next().flatten(), parents.next().flatten());
    let largest = call.top.map(|count| Largest::of::<B>(&dy, call.kind.output_axis(lengths(&dy).len()), count));
    if let Some(node) = node_x {
        let dx = match &largest {
            Some(largest) => largest.input_gradient::<B>(&w, &x, &call),
            None => input_gradient::<B>(&dy, &w, &x, &call),
        };
        grads.register::<B>(node.id, dx);
    }
    if node_w.is_some() || node_b.is_some() {
        let (dw, db) = match &largest {
            Some(largest) => largest.weight_gradient::<B>(&w, &x, &call),
            None => weight_gradient::<B>(&dy, &w, &x, &call),
        };
        if let Some(node) = node_w {
            grads.register::<B>(node.id, dw);
        }
        if let Some(node) = node_b {
            grads.register::<B>(node.id, db);
        }
    }
}

impl<B: Buffers> Backward<B, 2> for LayerBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        backward::<B, 2>(ops, grads, checkpointer);
    }
}

impl<B: Buffers> Backward<B, 3> for LayerBackward {
    type State = State<B>;

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

/// Registers the gradient of the only operand, which is found from that operand, what comes back, and what the call said.
fn from_input<B: Buffers, C>(
    ops: Ops<(NodeId, C), 1>,
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
    gradient: impl FnOnce(&Floats<B>, &Floats<B>, C) -> Floats<B>,
) {
    let dy = grads.consume::<B>(&ops.node);
    let (x, call) = ops.state;
    let x = checkpointer.retrieve_node_output::<Floats<B>>(x);
    if let [Some(node)] = ops.parents {
        grads.register::<B>(node.id, gradient(&x, &dy, call));
    }
}

/// The backward pass of [`Layers::thin_gradient`].
#[derive(Debug)]
struct ThinBackward;

impl<B: Buffers> Backward<B, 1> for ThinBackward {
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [axis, count] = ops.state;
        let dy = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, Largest::of::<B>(&dy, axis, count).masked::<B>(&dy));
        }
    }
}

/// The backward pass of [`Layers::thin_inputs`].
#[derive(Debug)]
struct ThinInputsBackward;

impl<B: Buffers> Backward<B, 1> for ThinInputsBackward {
    type State = (NodeId, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        from_input::<B, _>(ops, grads, checkpointer, |x, dy, count| keep_largest::<B>(x, dy, count));
    }
}

/// The backward pass of [`Layers::attend`].
#[derive(Debug)]
struct AttendBackward;

impl<B: Buffers> Backward<B, 3> for AttendBackward {
    type State = ([NodeId; 3], AttentionCall);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (nodes, call) = ops.state;
        let [q, k, v] = nodes.map(|node| checkpointer.retrieve_node_output::<Floats<B>>(node));
        let gradients = attend_backward::<B>(&dy, [&q, &k, &v], call);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// The backward pass of [`Layers::largest`].
#[derive(Debug)]
struct LargestBackward;

impl<B: Buffers> Backward<B, 1> for LargestBackward {
    type State = (NodeId, MaxPoolCall);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        from_input::<B, _>(ops, grads, checkpointer, |x, dy, call| largest_backward::<B>(dy, x, call));
    }
}

impl<B: Layers + Buffers, C: CheckpointStrategy> Layers for Autodiff<B, C> {
    /// What moves weights is not differentiated.
    fn adam(
        weight: Floats<Self>,
        mean: Floats<Self>,
        square: Floats<Self>,
        first: Floats<Self>,
        second: Floats<Self>,
        gradient: Floats<Self>,
        call: AdamCall,
    ) -> (Floats<Self>, Floats<Self>, Floats<Self>, Floats<Self>, Floats<Self>) {
        let [weight, mean, square, first, second] =
            [weight, mean, square, first, second].map(|tensor| tensor.into_primitive());
        let moved = B::adam(weight, mean, square, first, second, gradient.into_primitive(), call);
        let moved: [Floats<B>; 5] = moved.into();
        moved.map(<Floats<Self>>::new).into()
    }

    fn attend(q: Floats<Self>, k: Floats<Self>, v: Floats<Self>, call: AttentionCall) -> Floats<Self> {
        match AttendBackward.prepare::<C>([q.node(), k.node(), v.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let nodes = [&q, &k, &v].map(|tensor| prep.checkpoint(tensor));
                let y = B::attend(q.into_primitive(), k.into_primitive(), v.into_primitive(), call);
                prep.finish((nodes, call), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::attend(q.into_primitive(), k.into_primitive(), v.into_primitive(), call))
            }
        }
    }

    fn largest(x: Floats<Self>, call: MaxPoolCall) -> Floats<Self> {
        match LargestBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), call);
                prep.finish(state, B::largest(x.into_primitive(), call))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::largest(x.into_primitive(), call)),
        }
    }

    fn pack(w: Floats<Self>, blocks: Blocks) -> Floats<Self> {
        match PackBackward.prepare::<C>([w.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(blocks.clone(), B::pack(w.into_primitive(), blocks)),
            OpsKind::UnTracked(prep) => prep.finish(B::pack(w.into_primitive(), blocks)),
        }
    }

    fn thin_inputs(x: Floats<Self>, count: usize) -> Floats<Self> {
        match ThinInputsBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), count);
                prep.finish(state, B::thin_inputs(x.into_primitive(), count))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::thin_inputs(x.into_primitive(), count)),
        }
    }

    fn thin_gradient(y: Floats<Self>, axis: usize, count: usize) -> Floats<Self> {
        match ThinBackward.prepare::<C>([y.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish([axis, count], B::thin_gradient(y.into_primitive(), axis, count)),
            OpsKind::UnTracked(prep) => prep.finish(B::thin_gradient(y.into_primitive(), axis, count)),
        }
    }

    fn layer(x: Floats<Self>, w: Floats<Self>, call: Call) -> Floats<Self> {
        match LayerBackward.prepare::<C>([x.node(), w.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let operands = [prep.checkpoint(&x), prep.checkpoint(&w)];
                let y = B::layer(x.into_primitive(), w.into_primitive(), call.clone());
                let cut = call.relu.then(|| y.clone());
                prep.finish(State { operands, call, cut }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::layer(x.into_primitive(), w.into_primitive(), call)),
        }
    }

    fn layer_biased(x: Floats<Self>, w: Floats<Self>, b: Floats<Self>, call: Call) -> Floats<Self> {
        match LayerBackward.prepare::<C>([x.node(), w.node(), b.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let operands = [prep.checkpoint(&x), prep.checkpoint(&w)];
                let y = B::layer_biased(x.into_primitive(), w.into_primitive(), b.into_primitive(), call.clone());
                let cut = call.relu.then(|| y.clone());
                prep.finish(State { operands, call, cut }, y)
            }
            OpsKind::UnTracked(prep) => {
                let b = b.into_primitive();
                prep.finish(B::layer_biased(x.into_primitive(), w.into_primitive(), b, call))
            }
        }
    }
}
