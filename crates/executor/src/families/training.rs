//! Losses and steps of optimizers.
use super::Runner;
use crate::tensor::{Any, lengths, reshape};
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use supple_graph::operators::{Adam, Sgd};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    let floats = inputs.iter().all(|fact| fact.dtype == DType::F32);
    match op {
        Op::CrossEntropy(_) if inputs.first()?.dtype == DType::F32 => Some(cross_entropy()),
        Op::MeanSquare(_) if floats => Some(mean_square()),
        Op::Sgd(op) if floats => Some(sgd(op)),
        Op::Adam(op) if floats => Some(adam(op)),
        _ => None,
    }
}

fn mean(x: Any) -> Any {
    let elements = lengths(&x).iter().product();
    Dispatch::float_mean_dim(reshape(x, vec![elements]), 0)
}

fn cross_entropy() -> Runner {
    Runner::of(|mut operands, call| {
        let (x, classes) = (operands.take()?, operands.take()?);
        let width = lengths(&x).last().copied().unwrap_or(1).max(1);
        let rows = lengths(&x).iter().product::<usize>() / width;
        let log = Dispatch::log_softmax(reshape(x, vec![rows, width]), 1);
        let classes = super::tables::checked(classes, width)?;
        let picked = Dispatch::float_gather(1, log, reshape(classes, vec![rows, 1]));
        Ok(reshape(Dispatch::float_neg(mean(picked)), call.shape()))
    })
}

fn mean_square() -> Runner {
    Runner::of(|mut operands, call| {
        let difference = Dispatch::float_sub(operands.take()?, operands.take()?);
        Ok(reshape(mean(Dispatch::float_mul(difference.clone(), difference)), call.shape()))
    })
}

fn times(x: Any, factor: f64) -> Any {
    Dispatch::float_mul_scalar(x, factor.into())
}

fn plus(x: Any, term: f64) -> Any {
    Dispatch::float_add_scalar(x, term.into())
}

/// A single number, to be repeated along all axes of `like`.
fn single(number: Any, like: &Any) -> Any {
    reshape(number, vec![1; lengths(like).len()])
}

fn sgd(op: &Sgd) -> Runner {
    let op = op.clone();
    Runner::new(move |mut operands, _| {
        let [w, gradient, velocity] = [operands.take()?, operands.take()?, operands.take()?];
        let rate = single(operands.take()?, &w);
        let g = Dispatch::float_add(gradient, times(w.clone(), op.decay));
        let speed = Dispatch::float_add(times(velocity, op.momentum), g.clone());
        let ahead = |speed: Any| Dispatch::float_add(g, times(speed, op.momentum));
        let step = if op.nesterov { ahead(speed.clone()) } else { speed.clone() };
        Ok(vec![Dispatch::float_sub(w, Dispatch::float_mul(step, rate)), speed])
    })
}

fn adam(op: &Adam) -> Runner {
    let op = op.clone();
    Runner::new(move |mut operands, _| {
        let [w, gradient, first, second] = [operands.take()?, operands.take()?, operands.take()?, operands.take()?];
        let (rate, step) = (single(operands.take()?, &w), single(operands.take()?, &w));
        let g = if op.decoupled { gradient } else { Dispatch::float_add(gradient, times(w.clone(), op.decay)) };
        let moment = |old: Any, new: Any, beta: f64| Dispatch::float_add(times(old, beta), times(new, 1.0 - beta));
        let first = moment(first, g.clone(), op.betas[0]);
        let second = moment(second, Dispatch::float_mul(g.clone(), g), op.betas[1]);
        let unbiased = |moment: Any, beta: f64| {
            let faded = Dispatch::float_exp(times(step.clone(), beta.ln()));
            Dispatch::float_div(moment, plus(Dispatch::float_neg(faded), 1.0))
        };
        let size = plus(Dispatch::float_sqrt(unbiased(second.clone(), op.betas[1])), op.epsilon);
        let move_by =
            Dispatch::float_mul(Dispatch::float_div(unbiased(first.clone(), op.betas[0]), size), rate.clone());
        let decay = if op.decoupled { op.decay } else { 0.0 };
        let shrunk = Dispatch::float_mul(w, plus(times(rate, -decay), 1.0));
        Ok(vec![Dispatch::float_sub(shrunk, move_by), first, second])
    })
}
