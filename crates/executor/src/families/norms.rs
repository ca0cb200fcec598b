//! Softmax, norms and reductions.
use super::Runner;
use crate::tensor::reshape;
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use supple_graph::operators::Reduction;
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    if inputs.iter().any(|fact| fact.dtype != DType::F32) {
        return None;
    }
    Some(match op {
        Op::Softmax(op) => {
            let axis = op.axis;
            Runner::map(move |x| Dispatch::softmax(x, axis))
        }
        Op::LayerNorm(op) => {
            let epsilon = op.epsilon;
            Runner::of(move |mut operands, _| {
                let (x, gamma, beta) = (operands.take()?, operands.take()?, operands.take_optional());
                Ok(Dispatch::layer_norm(x, gamma, beta, epsilon))
            })
        }
        Op::Reduce(op) => {
            let along = match op.reduction {
                Reduction::Sum => Dispatch::float_sum_dim,
                Reduction::Mean => Dispatch::float_mean_dim,
                _ => return None,
            };
            let axes = op.axes.clone();
            Runner::of(move |mut operands, call| {
                let x = axes.iter().fold(operands.take()?, |x, &axis| along(x, axis));
                Ok(reshape(x, call.shape()))
            })
        }
        _ => return None,
    })
}
