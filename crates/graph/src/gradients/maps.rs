//! Functions of one element.
use crate::error::Result;
use crate::fact::DType;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::{BinaryFunction, Clip, Op, UnaryFunction};
use crate::tape::Tape;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI, PI};

/// `g f'(x)`
pub fn unary(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let (Op::Unary(op), Some(g)) = (call.op, call.gradient()) else { return Ok(None) };
    let Some(slope) = slope(tape, op.function, call.inputs[0], call.outputs[0])? else { return Ok(None) };
    tape.times(g, slope).map(Some)
}

/// `f'(x)`; `None` for what is flat wherever it has a slope.
fn slope(tape: &mut Tape, function: UnaryFunction, x: Value, y: Value) -> Result<Option<Value>> {
    use UnaryFunction as F;
    let slope = match function {
        F::Relu => {
            let zero = tape.number(0.0)?;
            let positive = tape.join(BinaryFunction::Greater, x, zero)?;
            tape.floats(positive)
        }
        F::Gelu => gelu(tape, x),
        F::GeluTanh => gelu_tanh(tape, x),
        F::Silu => {
            let open = tape.map(F::Sigmoid, x)?;
            let shut = tape.line(-1.0, 1.0, open)?;
            let rest = tape.times(y, shut)?;
            tape.sum(open, rest)
        }
        F::Sigmoid => {
            let shut = tape.line(-1.0, 1.0, y)?;
            tape.times(y, shut)
        }
        F::HardSwish => hard_swish(tape, x),
        F::Mish => mish(tape, x),
        F::Softplus => tape.map(F::Sigmoid, x),
        F::Softsign => {
            let size = tape.map(F::Abs, x)?;
            let size = tape.line(1.0, 1.0, size)?;
            let square = tape.times(size, size)?;
            tape.map(F::Recip, square)
        }
        F::Tanh => one_minus_square(tape, y),
        F::Exp => Ok(y),
        F::Log => tape.map(F::Recip, x),
        F::Sqrt => {
            let inverse = tape.map(F::Recip, y)?;
            tape.line(0.5, 0.0, inverse)
        }
        F::Erf => bell(tape, x, 1.0, FRAC_2_SQRT_PI),
        F::Sin => tape.map(F::Cos, x),
        F::Cos => {
            let sine = tape.map(F::Sin, x)?;
            tape.line(-1.0, 0.0, sine)
        }
        F::Neg => {
            let ones = tape.ones_like(x)?;
            tape.line(-1.0, 0.0, ones)
        }
        F::Abs => tape.map(F::Sign, x),
        F::Recip => {
            let square = tape.times(y, y)?;
            tape.line(-1.0, 0.0, square)
        }
        F::Floor | F::Ceil | F::Round | F::Sign | F::Not => return Ok(None),
    };
    slope.map(Some)
}

/// `1 - y²`
fn one_minus_square(tape: &mut Tape, y: Value) -> Result<Value> {
    let square = tape.times(y, y)?;
    tape.line(-1.0, 1.0, square)
}

/// `height e^(-sharpness x²)`
fn bell(tape: &mut Tape, x: Value, sharpness: f64, height: f64) -> Result<Value> {
    let square = tape.times(x, x)?;
    let exponent = tape.line(-sharpness, 0.0, square)?;
    let bell = tape.map(UnaryFunction::Exp, exponent)?;
    tape.line(height, 0.0, bell)
}

/// `Φ(x) + x φ(x)`
fn gelu(tape: &mut Tape, x: Value) -> Result<Value> {
    let scaled = tape.line(FRAC_1_SQRT_2, 0.0, x)?;
    let error = tape.map(UnaryFunction::Erf, scaled)?;
    let below = tape.line(0.5, 0.5, error)?;
    let density = bell(tape, x, 0.5, 1.0 / (2.0 * PI).sqrt())?;
    let rest = tape.times(x, density)?;
    tape.sum(below, rest)
}

/// `(1 + t) / 2 + x / 2 (1 - t²) c (1 + 3 a x²)` with `t = tanh(c (x + a x³))`.
fn gelu_tanh(tape: &mut Tape, x: Value) -> Result<Value> {
    const A: f64 = 0.044_715;
    let c = FRAC_2_PI.sqrt();
    let square = tape.times(x, x)?;
    let stretch = tape.line(c * A, c, square)?;
    let inner = tape.times(x, stretch)?;
    let t = tape.map(UnaryFunction::Tanh, inner)?;
    let steep = tape.line(1.5 * c * A, 0.5 * c, square)?;
    let steep = tape.times(x, steep)?;
    let flat = one_minus_square(tape, t)?;
    let rest = tape.times(flat, steep)?;
    let half = tape.line(0.5, 0.5, t)?;
    tape.sum(half, rest)
}

/// 0 up to -3, 1 from 3 on, and `x / 3 + 1 / 2` between.
fn hard_swish(tape: &mut Tape, x: Value) -> Result<Value> {
    let middle = tape.line(1.0 / 3.0, 0.5, x)?;
    let gate = tape.line(1.0 / 6.0, 0.5, x)?;
    let ends = tape.add(Clip { low: Some(0.0), high: Some(1.0) }, &[gate])?;
    let inside = inside(tape, x, Some(-3.0), Some(3.0))?;
    tape.choose(inside, middle, ends)
}

/// `t + x σ(x) (1 - t²)` with `t = tanh(ln(1 + e^x))`.
fn mish(tape: &mut Tape, x: Value) -> Result<Value> {
    let soft = tape.map(UnaryFunction::Softplus, x)?;
    let t = tape.map(UnaryFunction::Tanh, soft)?;
    let open = tape.map(UnaryFunction::Sigmoid, x)?;
    let flat = one_minus_square(tape, t)?;
    let rest = tape.times(open, flat)?;
    let rest = tape.times(x, rest)?;
    tape.sum(t, rest)
}

/// Whether x lies between two bounds.
fn inside(tape: &mut Tape, x: Value, low: Option<f64>, high: Option<f64>) -> Result<Value> {
    let low = tape.number(low.unwrap_or(f64::NEG_INFINITY))?;
    let high = tape.number(high.unwrap_or(f64::INFINITY))?;
    let above = tape.join(BinaryFunction::Greater, x, low)?;
    let below = tape.join(BinaryFunction::Less, x, high)?;
    tape.join(BinaryFunction::And, above, below)
}

/// Operators that map elements and have settings of their own.
pub fn map(tape: &mut Tape, call: &Call<'_>, _input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let x = call.inputs[0];
    match call.op {
        Op::Scalar(op) => tape.line(op.scale, 0.0, g),
        Op::LeakyRelu(op) => below_zero(tape, x, g, |tape| tape.line(op.slope, 0.0, g)),
        Op::Elu(op) => {
            let above = tape.line(op.scale, 0.0, g)?;
            below_zero(tape, x, above, |tape| {
                let scaled = tape.line(1.0 / op.width, 0.0, x)?;
                let slope = tape.map(UnaryFunction::Exp, scaled)?;
                let slope = tape.line(op.scale * op.alpha / op.width, 0.0, slope)?;
                tape.times(g, slope)
            })
        }
        Op::HardSigmoid(op) => {
            let line = tape.line(op.alpha, op.beta, x)?;
            let inside = inside(tape, line, Some(0.0), Some(1.0))?;
            let (scaled, zero) = (tape.line(op.alpha, 0.0, g)?, tape.number(0.0)?);
            tape.choose(inside, scaled, zero)
        }
        Op::Clip(op) => {
            let inside = inside(tape, x, op.low, op.high)?;
            let zero = tape.number(0.0)?;
            tape.choose(inside, g, zero)
        }
        Op::Cast(_) if tape.fact(x).dtype != DType::F32 || tape.fact(call.outputs[0]).dtype != DType::F32 => {
            return Ok(None);
        }
        _ => Ok(g),
    }
    .map(Some)
}

/// `below` where x is negative, else `above`.
fn below_zero(tape: &mut Tape, x: Value, above: Value, below: impl Fn(&mut Tape) -> Result<Value>) -> Result<Value> {
    let zero = tape.number(0.0)?;
    let negative = tape.join(BinaryFunction::Less, x, zero)?;
    let below = below(tape)?;
    tape.choose(negative, below, above)
}
