//! One operator of the graph on Burn tensors of any rank.
use crate::error::{Error, Result};
use crate::layers::{self, Call, Kind};
use crate::tensor::{Any, lengths};
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps, IntTensorOps, ModuleOps};
use burn::tensor::{Shape, ops::ConvOptions};
use supple_graph::operators::{BinaryFunction, Reduction, UnaryFunction};
use supple_graph::{DType, Fact, Graph, NodeId, Op, Operator};

/// How operators are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Take our kernels.
    pub kernels: bool,
    /// Let our kernels apply a ReLU that alone reads them; its gradient would be lost.
    pub fuse: bool,
    /// Threads for our kernels.
    pub threads: usize,
}

/// Runs a graph. `facts` are the facts of all nodes at the setting that runs; `sources` hold the tensors of inputs, parameters and constants.
pub(crate) fn forward(
    graph: &Graph,
    facts: &[Fact],
    mut sources: Vec<Option<Any>>,
    batch: usize,
    mode: Mode,
) -> Result<Any> {
    let mut readers = vec![0usize; graph.len()];
    let inputs: Vec<Vec<NodeId>> =
        graph.ids().map(|id| graph.inputs_of(id).into_iter().map(|value| value.node).collect()).collect();
    inputs.iter().flatten().chain(graph.outputs().iter().map(|v| &v.node)).for_each(|id| readers[id.0] += 1);
    let fused: Vec<bool> = graph
        .ids()
        .map(|id| {
            let relu = matches!(&graph.node(id).op, Op::Unary(op) if op.function == UnaryFunction::Relu);
            let layer = |node: &NodeId| matches!(graph.node(*node).op, Op::Linear(_) | Op::Conv2d(_));
            let alone = |node: &&NodeId| readers[node.0] == 1 && layer(node);
            mode.kernels && mode.fuse && relu && inputs[id.0].iter().find(alone).is_some()
        })
        .collect();
    let mut relu = vec![false; graph.len()];
    graph.ids().filter(|id| fused[id.0]).for_each(|id| relu[inputs[id.0][0].0] = true);
    for id in graph.ids() {
        if sources[id.0].is_some() {
            continue;
        }
        let mut operands = Vec::with_capacity(inputs[id.0].len());
        for node in &inputs[id.0] {
            readers[node.0] -= 1;
            let slot = &mut sources[node.0];
            let operand = if readers[node.0] == 0 { slot.take() } else { slot.clone() };
            operands.push(operand.ok_or_else(|| Error::new(&graph.node(*node).name, "its value is missing"))?);
        }
        sources[id.0] = match operands.pop() {
            Some(value) if fused[id.0] => Some(value),
            last => {
                operands.extend(last);
                Some(run(&graph.node(id).op, operands, &facts[id.0], batch, (mode, relu[id.0]))?)
            }
        };
    }
    let output = graph.outputs().first().ok_or_else(|| Error::new(graph.name(), "has no output"))?;
    sources[output.node.0].take().ok_or_else(|| Error::new(graph.name(), "its output is missing"))
}

fn run(op: &Op, operands: Vec<Any>, fact: &Fact, batch: usize, (mode, relu): (Mode, bool)) -> Result<Any> {
    let wrong = || Error::new(op.name(), "wrong number of inputs");
    let mut operands = operands.into_iter();
    let mut next = || operands.next().ok_or_else(wrong);
    let x = next()?;
    Ok(match op {
        Op::Linear(_) => {
            let (w, b) = (next()?, operands.next());
            let call = |kind| Call { kind, relu, threads: mode.threads };
            match mode.kernels.then(|| layers::layer(&x, &w, b.as_ref(), call(Kind::Linear))).flatten() {
                Some(y) => y,
                None => linear(x, w, b),
            }
        }
        Op::Conv2d(conv) => {
            let (w, b) = (next()?, operands.next());
            let call = || Call { kind: Kind::Conv2d(conv.clone()), relu, threads: mode.threads };
            match mode.kernels.then(|| layers::layer(&x, &w, b.as_ref(), call())).flatten() {
                Some(y) => y,
                None => Dispatch::conv2d(x, w, b, ConvOptions::new(conv.stride, conv.padding, conv.dilation, 1)),
            }
        }
        Op::Matmul(_) => Dispatch::float_matmul(x, next()?),
        Op::MaxPool2d(pool) => Dispatch::max_pool2d(x, pool.kernel, pool.stride, [0, 0], [1, 1], false),
        Op::Unary(op) => unary(op.function, x),
        Op::Binary(op) => binary(op.function, x, next()?),
        Op::Scalar(op) => scalar(op.scale, op.shift, x),
        Op::Softmax(op) => Dispatch::softmax(x, op.axis),
        Op::LayerNorm(op) => {
            let (gamma, beta) = (next()?, operands.next());
            Dispatch::layer_norm(x, gamma, beta, op.epsilon)
        }
        Op::Reduce(op) => match op.reduction {
            Reduction::Sum => Dispatch::float_sum_dim(x, op.axis),
            Reduction::Mean => Dispatch::float_mean_dim(x, op.axis),
        },
        Op::Reshape(_) => {
            let shape = Shape::from(fact.shape_at(batch));
            match fact.dtype {
                DType::F32 => Dispatch::float_reshape(x, shape),
                DType::I64 => Dispatch::int_reshape(x, shape),
            }
        }
        Op::Permute(op) => match fact.dtype {
            DType::F32 => Dispatch::float_permute(x, &op.order),
            DType::I64 => Dispatch::int_permute(x, &op.order),
        },
        Op::Embedding(_) => Dispatch::embedding(x, next()?),
        Op::Input(_) | Op::Parameter(_) | Op::Constant(_) => return Err(Error::new(op.name(), "its value is missing")),
    })
}

/// Burn's linear layer wants an input of the weights' rank or more.
fn linear(x: Any, w: Any, b: Option<Any>) -> Any {
    let outputs = lengths(&w)[1];
    let mut shape = lengths(&x);
    let y = Dispatch::linear(x, w, b);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    Dispatch::float_reshape(y, Shape::from(shape))
}

fn unary(function: UnaryFunction, x: Any) -> Any {
    match function {
        UnaryFunction::Relu => Dispatch::relu(x),
        UnaryFunction::Gelu => Dispatch::gelu(x),
        UnaryFunction::Sigmoid => Dispatch::sigmoid(x),
        UnaryFunction::Tanh => Dispatch::float_tanh(x),
        UnaryFunction::Exp => Dispatch::float_exp(x),
        UnaryFunction::Log => Dispatch::float_log(x),
        UnaryFunction::Sqrt => Dispatch::float_sqrt(x),
        UnaryFunction::Neg => Dispatch::float_neg(x),
        UnaryFunction::Recip => Dispatch::float_recip(x),
    }
}

fn binary(function: BinaryFunction, a: Any, b: Any) -> Any {
    match function {
        BinaryFunction::Add => Dispatch::float_add(a, b),
        BinaryFunction::Sub => Dispatch::float_sub(a, b),
        BinaryFunction::Mul => Dispatch::float_mul(a, b),
        BinaryFunction::Div => Dispatch::float_div(a, b),
    }
}

fn scalar(scale: f64, shift: f64, x: Any) -> Any {
    let scaled = if scale == 1.0 { x } else { Dispatch::float_mul_scalar(x, scale.into()) };
    if shift == 0.0 { scaled } else { Dispatch::float_add_scalar(scaled, shift.into()) }
}
