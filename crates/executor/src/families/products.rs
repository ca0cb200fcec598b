//! Products of tensors.
use super::Runner;
use crate::layers::{self, AttentionCall};
use crate::tensor::{Any, expand, lengths, permute, reshape, upload, with_rank};
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::ops::AttentionModuleOptions;
use supple_graph::operators::{Attention, Gemm};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    if inputs.iter().any(|fact| fact.dtype != DType::F32) {
        return None;
    }
    match op {
        Op::Matmul(_) => Some(Runner::of(|mut operands, call| {
            let rank = call.facts[0].rank();
            let (a, b) = (with_rank(operands.take()?, rank), with_rank(operands.take()?, rank));
            Ok(Dispatch::float_matmul(a, b))
        })),
        Op::Gemm(op) => Some(gemm(op)),
        Op::Attention(op) => attention(op, inputs),
        _ => None,
    }
}

fn gemm(op: &Gemm) -> Runner {
    let op = op.clone();
    let turned = |x, transposed: bool| if transposed { permute(x, &[1, 0]) } else { x };
    let times = |x, factor: f64| if factor == 1.0 { x } else { Dispatch::float_mul_scalar(x, factor.into()) };
    Runner::of(move |mut operands, _| {
        let (a, b) = (turned(operands.take()?, op.transposed_a), turned(operands.take()?, op.transposed_b));
        let product = times(Dispatch::float_matmul(a, b), op.alpha);
        Ok(match operands.take_optional() {
            Some(c) => Dispatch::float_add(product, with_rank(times(c, op.beta), 2)),
            None => product,
        })
    })
}

/// Without a mask by our kernel where the backend has it. Burn's attention is over four axes; causal attention only where queries and tokens are as
/// many; scores that are not computed are hidden by a mask there.
fn attention(op: &Attention, inputs: &[&Fact]) -> Option<Runner> {
    let [queries, tokens] = [inputs.first()?, inputs.get(1)?].map(|fact| fact.shape[fact.rank() - 2]);
    if op.causal && queries != tokens {
        return None;
    }
    let op = op.clone();
    let options = AttentionModuleOptions { scale: Some(op.scale), softcap: None, is_causal: op.causal };
    Some(Runner::of(move |mut operands, call| {
        let [q, k, v] = [operands.take()?, operands.take()?, operands.take()?];
        let mask = operands.take_optional();
        if call.mode.kernels && mask.is_none() {
            let call = AttentionCall { scale: op.scale, causal: op.causal, near: op.near, threads: call.mode.threads };
            if let Some(y) = layers::attention([&q, &k, &v], call) {
                return Ok(y);
            }
        }
        let tokens = lengths(&k)[lengths(&k).len() - 2];
        let mut scores = lengths(&q);
        if let Some(last) = scores.last_mut() {
            *last = tokens;
        }
        let hidden = op.near.map(|_| {
            let hidden = op.hidden([scores[scores.len() - 2], tokens]);
            expand(upload(&hidden, DType::F32, call.device.as_dispatch()), &scores)
        });
        let masks = mask.map(|mask| expand(mask, &scores)).into_iter().chain(hidden);
        let mask = masks.reduce(Dispatch::float_add).map(in_four);
        let y = Dispatch::attention(in_four(q), in_four(k), in_four(v), None, mask, options);
        Ok(reshape(y, call.shape()))
    }))
}

/// All leading axes as one, behind one of length one.
fn in_four(x: Any) -> Any {
    let shape = lengths(&x);
    let (lead, matrix) = shape.split_at(shape.len().saturating_sub(2));
    reshape(x, [&[1, lead.iter().product()], matrix].concat())
}
