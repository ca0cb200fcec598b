//! Softmax, norms and reductions.
use super::Runner;
use crate::tensor::{Any, lengths, reshape};
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use supple_graph::operators::{Reduce, Reduction};
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
        Op::LogSoftmax(op) => {
            let axis = op.axis;
            Runner::map(move |x| Dispatch::log_softmax(x, axis))
        }
        Op::BatchNorm(op) => batch_norm(op.epsilon),
        Op::LayerNorm(op) => layer_norm(op.epsilon),
        Op::GroupNorm(op) => channel_norm(op.size, op.epsilon),
        Op::InstanceNorm(op) => channel_norm(1, op.epsilon),
        Op::RmsNorm(op) => rms_norm(op.epsilon),
        Op::Reduce(op) => reduce(op),
        _ => return None,
    })
}

fn batch_norm(epsilon: f64) -> Runner {
    Runner::of(move |mut operands, _| {
        let x = operands.take()?;
        let [gamma, beta, mean, variance] = [operands.take()?, operands.take()?, operands.take()?, operands.take()?];
        Ok(Dispatch::batch_norm(x, gamma, beta, mean, variance, epsilon))
    })
}

/// A tensor of as many elements as `weights` in its last axis.
fn in_rows(x: Any, weights: &Any) -> Any {
    let row = lengths(weights).iter().product::<usize>().max(1);
    let rows = lengths(&x).iter().product::<usize>() / row;
    reshape(x, vec![rows, row])
}

fn flat(x: Any) -> Any {
    let elements = lengths(&x).iter().product();
    reshape(x, vec![elements])
}

fn layer_norm(epsilon: f64) -> Runner {
    Runner::of(move |mut operands, call| {
        let (x, gamma, beta) = (operands.take()?, operands.take()?, operands.take_optional());
        let y = Dispatch::layer_norm(in_rows(x, &gamma), flat(gamma), beta.map(flat), epsilon);
        Ok(reshape(y, call.shape()))
    })
}

fn squares(x: Any) -> Any {
    Dispatch::float_mul(x.clone(), x)
}

/// Rows by the root of the mean of their squares.
fn by_mean_square(x: Any, epsilon: f64) -> Any {
    let mean = Dispatch::float_mean_dim(squares(x.clone()), 1);
    Dispatch::float_div(x, Dispatch::float_sqrt(Dispatch::float_add_scalar(mean, epsilon.into())))
}

fn rms_norm(epsilon: f64) -> Runner {
    Runner::of(move |mut operands, call| {
        let (x, gamma) = (operands.take()?, operands.take()?);
        let rows = by_mean_square(in_rows(x, &gamma), epsilon);
        let row = vec![1, lengths(&rows)[1]];
        Ok(reshape(Dispatch::float_mul(rows, reshape(gamma, row)), call.shape()))
    })
}

/// Normalises over groups of `size` channels and all axes behind them; then each channel has its weights.
fn channel_norm(size: usize, epsilon: f64) -> Runner {
    Runner::of(move |mut operands, call| {
        let (x, gamma, beta) = (operands.take()?, operands.take()?, operands.take()?);
        let shape = call.shape();
        let row = size * shape[2..].iter().product::<usize>();
        let rows = shape.iter().product::<usize>() / row.max(1);
        let x = reshape(x, vec![rows, row]);
        let mean = Dispatch::float_mean_dim(x.clone(), 1);
        let normal = reshape(by_mean_square(Dispatch::float_sub(x, mean), epsilon), shape.clone());
        let mut channels = vec![1; shape.len()];
        channels[1] = shape[1];
        let scaled = Dispatch::float_mul(normal, reshape(gamma, channels.clone()));
        Ok(Dispatch::float_add(scaled, reshape(beta, channels)))
    })
}

fn reduce(op: &Reduce) -> Runner {
    let op = op.clone();
    Runner::of(move |mut operands, call| Ok(reshape(reduced(&op, operands.take()?), call.shape())))
}

/// The axes reduced one after the other, each left with length one.
fn reduced(op: &Reduce, x: Any) -> Any {
    let step: fn(Any, usize) -> Any = match op.reduction {
        Reduction::Sum | Reduction::L1 | Reduction::L2 | Reduction::SumSquare => Dispatch::float_sum_dim,
        Reduction::Mean => Dispatch::float_mean_dim,
        Reduction::Max => Dispatch::float_max_dim,
        Reduction::Min => Dispatch::float_min_dim,
        Reduction::Prod => Dispatch::float_prod_dim,
    };
    let x = match op.reduction {
        Reduction::L1 => Dispatch::float_abs(x),
        Reduction::L2 | Reduction::SumSquare => squares(x),
        _ => x,
    };
    let (x, axes) = merged(x, &op.axes);
    let y = axes.into_iter().fold(x, step);
    if op.reduction == Reduction::L2 { Dispatch::float_sqrt(y) } else { y }
}

/// Reduced axes that follow each other as one axis.
fn merged(x: Any, axes: &[usize]) -> (Any, Vec<usize>) {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    let follow = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let shape = lengths(&x);
    match (axes.first(), axes.last()) {
        (Some(&first), Some(&last)) if follow && first < last => {
            let middle = shape[first..=last].iter().product();
            let shape = [&shape[..first], &[middle], &shape[last + 1..]].concat();
            (reshape(x, shape), vec![first])
        }
        _ => (x, axes),
    }
}
