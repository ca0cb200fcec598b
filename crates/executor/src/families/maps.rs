//! Functions of elements.
use super::{Call, Operands, Runner};
use crate::error::Result;
use crate::tensor::{Any, expand, with_rank};
use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::tensor::BoolDType;
use supple_graph::operators::{BinaryFunction, Clip, Elu, UnaryFunction};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    let all = |dtype| inputs.iter().all(|fact| fact.dtype == dtype);
    match op {
        Op::Dropout(_) => Some(Runner::map(|x| x)),
        Op::Binary(op) if all(DType::F32) => floats(op.function),
        Op::Binary(op) if all(DType::I64) => ints(op.function),
        Op::Binary(op) if all(DType::Bool) => bools(op.function),
        Op::Unary(op) if op.function == UnaryFunction::Not && all(DType::Bool) => Some(Runner::map(Dispatch::bool_not)),
        _ if all(DType::F32) => of_one(op),
        _ => None,
    }
}

fn of_one(op: &Op) -> Option<Runner> {
    Some(match op {
        Op::Unary(op) => Runner::map(unary(op.function)?),
        Op::Scalar(op) => {
            let (scale, shift) = (op.scale, op.shift);
            Runner::map(move |x| plus(times(x, scale), shift))
        }
        Op::LeakyRelu(op) => {
            let slope = op.slope;
            Runner::map(move |x| Dispatch::leaky_relu(x, slope.into()))
        }
        Op::HardSigmoid(op) => {
            let (alpha, beta) = (op.alpha, op.beta);
            Runner::map(move |x| Dispatch::hard_sigmoid(x, alpha.into(), beta.into()))
        }
        Op::Elu(op) => {
            let op = op.clone();
            Runner::map(move |x| elu(&op, x))
        }
        Op::Clip(op) => {
            let op = op.clone();
            Runner::map(move |x| clip(&op, x))
        }
        _ => return None,
    })
}

fn times(x: Any, factor: f64) -> Any {
    if factor == 1.0 { x } else { Dispatch::float_mul_scalar(x, factor.into()) }
}

fn plus(x: Any, term: f64) -> Any {
    if term == 0.0 { x } else { Dispatch::float_add_scalar(x, term.into()) }
}

/// The part below zero, with its sign changed.
fn below(x: Any) -> Any {
    Dispatch::relu(Dispatch::float_neg(x))
}

fn elu(op: &Elu, x: Any) -> Any {
    let plateau = plus(Dispatch::float_exp(times(below(x.clone()), -1.0 / op.width)), -1.0);
    times(Dispatch::float_add(Dispatch::relu(x), times(plateau, op.alpha)), op.scale)
}

fn clip(op: &Clip, x: Any) -> Any {
    let x = match op.low {
        Some(low) => Dispatch::float_clamp_min(x, low.into()),
        None => x,
    };
    match op.high {
        Some(high) => Dispatch::float_clamp_max(x, high.into()),
        None => x,
    }
}

/// `max(x, 0) + ln(1 + e^-|x|)`, which never overflows.
fn softplus(x: Any) -> Any {
    let tail = Dispatch::float_log1p(Dispatch::float_exp(Dispatch::float_neg(Dispatch::float_abs(x.clone()))));
    Dispatch::float_add(Dispatch::relu(x), tail)
}

fn gelu_tanh(x: Any) -> Any {
    let cube = Dispatch::float_mul(Dispatch::float_mul(x.clone(), x.clone()), x.clone());
    let inner = times(Dispatch::float_add(x.clone(), times(cube, 0.044_715)), std::f64::consts::FRAC_2_PI.sqrt());
    times(Dispatch::float_mul(x, plus(Dispatch::float_tanh(inner), 1.0)), 0.5)
}

fn gated(x: Any, gate: fn(Any) -> Any) -> Any {
    Dispatch::float_mul(x.clone(), gate(x))
}

fn unary(function: UnaryFunction) -> Option<fn(Any) -> Any> {
    use UnaryFunction as F;
    Some(match function {
        F::Relu => Dispatch::relu,
        F::Gelu => Dispatch::gelu,
        F::GeluTanh => gelu_tanh,
        F::Silu => |x| gated(x, Dispatch::sigmoid),
        F::HardSwish => |x| gated(x, |x| Dispatch::hard_sigmoid(x, (1.0 / 6.0).into(), 0.5.into())),
        F::Mish => |x| gated(x, |x| Dispatch::float_tanh(softplus(x))),
        F::Softplus => softplus,
        F::Softsign => |x| Dispatch::float_div(x.clone(), plus(Dispatch::float_abs(x), 1.0)),
        F::Sigmoid => Dispatch::sigmoid,
        F::Tanh => Dispatch::float_tanh,
        F::Exp => Dispatch::float_exp,
        F::Log => Dispatch::float_log,
        F::Sqrt => Dispatch::float_sqrt,
        F::Erf => Dispatch::float_erf,
        F::Sin => Dispatch::float_sin,
        F::Cos => Dispatch::float_cos,
        F::Neg => Dispatch::float_neg,
        F::Abs => Dispatch::float_abs,
        F::Recip => Dispatch::float_recip,
        F::Floor => Dispatch::float_floor,
        F::Ceil => Dispatch::float_ceil,
        F::Round => Dispatch::float_round,
        F::Sign => Dispatch::float_sign,
        F::Not => return None,
    })
}

/// A function of two tensors of the output's rank, which repeats axes of length one itself.
fn aligned(f: fn(Any, Any) -> Any) -> Runner {
    Runner::of(move |mut operands, call| {
        let rank = call.facts[0].rank();
        Ok(f(with_rank(operands.take()?, rank), with_rank(operands.take()?, rank)))
    })
}

/// Both operands repeated to the shape of the output.
fn both(operands: &mut Operands, call: &Call<'_>) -> Result<(Any, Any)> {
    let shape = call.shape();
    Ok((expand(operands.take()?, &shape), expand(operands.take()?, &shape)))
}

fn repeated(f: fn(Any, Any) -> Any) -> Runner {
    Runner::of(move |mut operands, call| both(&mut operands, call).map(|(a, b)| f(a, b)))
}

fn compared(f: fn(Any, Any, BoolDType) -> Any) -> Runner {
    Runner::of(move |mut operands, call| {
        let dtype = call.device.settings().bool_dtype;
        both(&mut operands, call).map(|(a, b)| f(a, b, dtype))
    })
}

/// The operand that `keeps_first` prefers, element by element.
fn preferred(keeps_first: fn(Any, Any, BoolDType) -> Any) -> Runner {
    Runner::of(move |mut operands, call| {
        let dtype = call.device.settings().bool_dtype;
        let (a, b) = both(&mut operands, call)?;
        Ok(Dispatch::float_mask_where(b.clone(), keeps_first(a.clone(), b, dtype), a))
    })
}

fn floats(function: BinaryFunction) -> Option<Runner> {
    use BinaryFunction as F;
    Some(match function {
        F::Add => aligned(Dispatch::float_add),
        F::Sub => aligned(Dispatch::float_sub),
        F::Mul => aligned(Dispatch::float_mul),
        F::Div => aligned(Dispatch::float_div),
        F::Pow => repeated(Dispatch::float_powf),
        F::Modulo => repeated(Dispatch::float_remainder),
        F::Prelu => {
            aligned(|x, slope| Dispatch::float_sub(Dispatch::relu(x.clone()), Dispatch::float_mul(slope, below(x))))
        }
        F::Min => preferred(Dispatch::float_lower),
        F::Max => preferred(Dispatch::float_greater),
        F::Equal => compared(Dispatch::float_equal),
        F::Less => compared(Dispatch::float_lower),
        F::LessOrEqual => compared(Dispatch::float_lower_equal),
        F::Greater => compared(Dispatch::float_greater),
        F::GreaterOrEqual => compared(Dispatch::float_greater_equal),
        F::Quotient | F::And | F::Or | F::Xor => return None,
    })
}

fn ints(function: BinaryFunction) -> Option<Runner> {
    use BinaryFunction as F;
    Some(match function {
        F::Add => repeated(Dispatch::int_add),
        F::Sub => repeated(Dispatch::int_sub),
        F::Mul => repeated(Dispatch::int_mul),
        F::Equal => compared(Dispatch::int_equal),
        F::Less => compared(Dispatch::int_lower),
        F::LessOrEqual => compared(Dispatch::int_lower_equal),
        F::Greater => compared(Dispatch::int_greater),
        F::GreaterOrEqual => compared(Dispatch::int_greater_equal),
        _ => return None,
    })
}

fn bools(function: BinaryFunction) -> Option<Runner> {
    use BinaryFunction as F;
    Some(match function {
        F::And => repeated(Dispatch::bool_and),
        F::Or => repeated(Dispatch::bool_or),
        F::Xor => repeated(Dispatch::bool_xor),
        F::Equal => repeated(Dispatch::bool_equal),
        _ => return None,
    })
}
