//! Functions of elements.
use super::Runner;
use crate::tensor::Any;
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use supple_graph::operators::{BinaryFunction, UnaryFunction};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    if inputs.iter().any(|fact| fact.dtype != DType::F32) {
        return None;
    }
    Some(match op {
        Op::Unary(op) => Runner::map(unary(op.function)?),
        Op::Binary(op) if inputs[0].rank() == inputs[1].rank() => Runner::join(binary(op.function)?),
        Op::Scalar(op) => {
            let (scale, shift) = (op.scale, op.shift);
            Runner::map(move |x| scalar(scale, shift, x))
        }
        _ => return None,
    })
}

fn unary(function: UnaryFunction) -> Option<fn(Any) -> Any> {
    Some(match function {
        UnaryFunction::Relu => Dispatch::relu,
        UnaryFunction::Gelu => Dispatch::gelu,
        UnaryFunction::Sigmoid => Dispatch::sigmoid,
        UnaryFunction::Tanh => Dispatch::float_tanh,
        UnaryFunction::Exp => Dispatch::float_exp,
        UnaryFunction::Log => Dispatch::float_log,
        UnaryFunction::Sqrt => Dispatch::float_sqrt,
        UnaryFunction::Neg => Dispatch::float_neg,
        UnaryFunction::Recip => Dispatch::float_recip,
        UnaryFunction::Abs => Dispatch::float_abs,
        UnaryFunction::Erf => Dispatch::float_erf,
        _ => return None,
    })
}

fn binary(function: BinaryFunction) -> Option<fn(Any, Any) -> Any> {
    Some(match function {
        BinaryFunction::Add => Dispatch::float_add,
        BinaryFunction::Sub => Dispatch::float_sub,
        BinaryFunction::Mul => Dispatch::float_mul,
        BinaryFunction::Div => Dispatch::float_div,
        _ => return None,
    })
}

fn scalar(scale: f64, shift: f64, x: Any) -> Any {
    let scaled = if scale == 1.0 { x } else { Dispatch::float_mul_scalar(x, scale.into()) };
    if shift == 0.0 { scaled } else { Dispatch::float_add_scalar(scaled, shift.into()) }
}
