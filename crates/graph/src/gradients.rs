//! How gradients go back through operators, one file a family.
mod losses;
mod maps;
mod movements;
mod norms;
mod pairs;
mod products;
mod reductions;
mod windows;

use crate::error::Result;
use crate::gradient::{Call, Rule};
use crate::graph::Value;
use crate::operators::Op;
use crate::tape::Tape;
pub(crate) use products::largest;

/// The rule of an operator; `None` when there is none.
pub fn rule(op: &Op) -> Option<Rule> {
    Some(match op {
        Op::Unary(_) => maps::unary,
        Op::Scalar(_)
        | Op::LeakyRelu(_)
        | Op::Elu(_)
        | Op::HardSigmoid(_)
        | Op::Clip(_)
        | Op::Dropout(_)
        | Op::Cast(_) => maps::map,
        Op::Binary(_) => pairs::binary,
        Op::Where(_) => pairs::choice,
        Op::Softmax(_) => norms::softmax,
        Op::LogSoftmax(_) => norms::log_softmax,
        Op::BatchNorm(_) => norms::batch_norm,
        Op::LayerNorm(_) => norms::layer_norm,
        Op::GroupNorm(_) => norms::group_norm,
        Op::InstanceNorm(_) => norms::instance_norm,
        Op::RmsNorm(_) => norms::rms_norm,
        Op::Reduce(_) => reductions::reduce,
        Op::Linear(_) => products::linear,
        Op::Matmul(_) => products::matmul,
        Op::Gemm(_) => products::gemm,
        Op::Attention(_) => products::attention,
        Op::Embedding(_) => products::embedding,
        Op::Reshape(_) => movements::reshape,
        Op::Permute(_) => movements::permute,
        Op::Concat(_) => movements::concat,
        Op::Split(_) => movements::split,
        Op::Slice(_) => movements::slice,
        Op::Pad(_) => movements::pad,
        Op::Expand(_) => movements::expand,
        Op::Gather(_) => movements::gather,
        Op::CrossEntropy(_) => losses::cross_entropy,
        Op::MeanSquare(_) => losses::mean_square,
        Op::Conv(_) | Op::ConvTranspose(_) | Op::Pool(_) | Op::AdaptivePool(_) | Op::Resize(_) | Op::Keep(_) => {
            windows::backward
        }
        Op::Then(op) => rule(&op.first).and(rule(&op.second)).map(|_| then as Rule)?,
        _ => return None,
    })
}

/// Back through the second operator, then through the first; what lies between them is computed once more.
fn then(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Op::Then(op) = call.op else { return Ok(None) };
    let (Some(first), Some(second)) = (rule(&op.first), rule(&op.second)) else { return Ok(None) };
    let between = [tape.add((*op.first).clone(), call.inputs)?];
    let last = Call { op: &op.second, inputs: &between, ..*call };
    let gradients = [second(tape, &last, 0)?];
    first(tape, &Call { op: &op.first, outputs: &between, gradients: &gradients, ..*call }, input)
}
