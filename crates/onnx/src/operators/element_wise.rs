//! Functions of one element, of two, or of more.
use super::List;
use crate::builder::Layout;
use crate::call::{Call, Operand};
use crate::element::Element;
use crate::error::{Error, Result};
use supple_graph::operators::{
    Binary, BinaryFunction, Cast, Clip, Elu, HardSigmoid, LeakyRelu, Op, Scalar, Unary, UnaryFunction, Where,
};
use supple_graph::{Array, DType, Dim, Value};

pub(super) const LIST: List = &[
    ("Abs", |call| unary(call, UnaryFunction::Abs)),
    ("Ceil", |call| unary(call, UnaryFunction::Ceil)),
    ("Cos", |call| unary(call, UnaryFunction::Cos)),
    ("Erf", |call| unary(call, UnaryFunction::Erf)),
    ("Exp", |call| unary(call, UnaryFunction::Exp)),
    ("Floor", |call| unary(call, UnaryFunction::Floor)),
    ("HardSwish", |call| unary(call, UnaryFunction::HardSwish)),
    ("Log", |call| unary(call, UnaryFunction::Log)),
    ("Mish", |call| unary(call, UnaryFunction::Mish)),
    ("Neg", |call| unary(call, UnaryFunction::Neg)),
    ("Not", |call| unary(call, UnaryFunction::Not)),
    ("Reciprocal", |call| unary(call, UnaryFunction::Recip)),
    ("Relu", |call| unary(call, UnaryFunction::Relu)),
    ("Round", |call| unary(call, UnaryFunction::Round)),
    ("Sigmoid", |call| unary(call, UnaryFunction::Sigmoid)),
    ("Sign", |call| unary(call, UnaryFunction::Sign)),
    ("Sin", |call| unary(call, UnaryFunction::Sin)),
    ("Softplus", |call| unary(call, UnaryFunction::Softplus)),
    ("Softsign", |call| unary(call, UnaryFunction::Softsign)),
    ("Sqrt", |call| unary(call, UnaryFunction::Sqrt)),
    ("Tanh", |call| unary(call, UnaryFunction::Tanh)),
    ("Gelu", gelu),
    ("Swish", swish),
    ("Elu", |call| elu(call, [call.float("alpha", 1.0), 1.0, 1.0])),
    ("Celu", |call| elu(call, [call.float("alpha", 1.0), call.float("alpha", 1.0), 1.0])),
    ("Selu", |call| elu(call, [call.float("alpha", 1.673_263_2), 1.0, call.float("gamma", 1.050_701)])),
    ("LeakyRelu", leaky_relu),
    ("HardSigmoid", hard_sigmoid),
    ("PRelu", prelu),
    ("ThresholdedRelu", thresholded_relu),
    ("IsNaN", is_nan),
    ("Clip", clip),
    ("Cast", cast),
    ("CastLike", cast_like),
    ("Add", |call| binary(call, BinaryFunction::Add)),
    ("Sub", |call| binary(call, BinaryFunction::Sub)),
    ("Mul", |call| binary(call, BinaryFunction::Mul)),
    ("Div", divide),
    ("Mod", modulo),
    ("Pow", |call| binary(call, BinaryFunction::Pow)),
    ("Equal", |call| binary(call, BinaryFunction::Equal)),
    ("Less", |call| binary(call, BinaryFunction::Less)),
    ("LessOrEqual", |call| binary(call, BinaryFunction::LessOrEqual)),
    ("Greater", |call| binary(call, BinaryFunction::Greater)),
    ("GreaterOrEqual", |call| binary(call, BinaryFunction::GreaterOrEqual)),
    ("And", |call| binary(call, BinaryFunction::And)),
    ("Or", |call| binary(call, BinaryFunction::Or)),
    ("Xor", |call| binary(call, BinaryFunction::Xor)),
    ("Max", |call| many(call, BinaryFunction::Max)),
    ("Min", |call| many(call, BinaryFunction::Min)),
    ("Sum", |call| many(call, BinaryFunction::Add)),
    ("Mean", mean),
    ("Where", choose),
];

type Outputs<'a> = Result<Vec<Operand<'a>>>;

/// An operator with one input that says all by itself.
fn plain<'a>(call: &mut Call<'a, '_>, op: impl Into<Op>) -> Outputs<'a> {
    let x = call.value(0)?;
    Ok(vec![call.finish(op, &[x])?.into()])
}

fn unary<'a>(call: &mut Call<'a, '_>, function: UnaryFunction) -> Outputs<'a> {
    plain(call, Unary { function })
}

fn gelu<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    match call.text("approximate", "none")? {
        "none" => unary(call, UnaryFunction::Gelu),
        "tanh" => unary(call, UnaryFunction::GeluTanh),
        other => Err(Error::unsupported(format!("approximate = {other}"))),
    }
}

/// `x * sigmoid(alpha x)`, as the SiLU of `alpha x`, divided by alpha.
fn swish<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let alpha = call.float("alpha", 1.0);
    if alpha == 1.0 {
        return unary(call, UnaryFunction::Silu);
    }
    if alpha == 0.0 {
        return plain(call, Scalar { scale: 0.5, shift: 0.0 });
    }
    let x = call.value(0)?;
    let x = call.helper("scaled", Scalar { scale: alpha, shift: 0.0 }, &[x])?;
    let y = call.helper("silu", Unary { function: UnaryFunction::Silu }, &[x])?;
    Ok(vec![call.finish(Scalar { scale: 1.0 / alpha, shift: 0.0 }, &[y])?.into()])
}

fn elu<'a>(call: &mut Call<'a, '_>, [alpha, width, scale]: [f64; 3]) -> Outputs<'a> {
    plain(call, Elu { alpha, width, scale })
}

fn leaky_relu<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let slope = call.float("alpha", 0.01);
    plain(call, LeakyRelu { slope })
}

fn hard_sigmoid<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let (alpha, beta) = (call.float("alpha", 0.2), call.float("beta", 0.5));
    plain(call, HardSigmoid { alpha, beta })
}

fn prelu<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = [call.value(0)?, call.weight(1, Layout::AsStored)?];
    Ok(vec![call.finish(Binary { function: BinaryFunction::Prelu }, &inputs)?.into()])
}

/// `x` where it is above a number, else zero.
fn thresholded_relu<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let alpha = Array::full(&[], call.float("alpha", 1.0) as f32);
    let alpha = call.builder.constant("alpha", alpha, DType::F32)?;
    let zero = call.builder.constant("zero", Array::full(&[], 0.0), DType::F32)?;
    let above = call.helper("above", Binary { function: BinaryFunction::Greater }, &[x, alpha])?;
    Ok(vec![call.finish(Where {}, &[above, x, zero])?.into()])
}

/// What is not equal to itself is no number.
fn is_nan<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let x = call.value(0)?;
    let equal = call.helper("equal", Binary { function: BinaryFunction::Equal }, &[x, x])?;
    Ok(vec![call.finish(Unary { function: UnaryFunction::Not }, &[equal])?.into()])
}

/// Bounds are attributes before opset 11, inputs since; those that are not known beforehand become a minimum and a maximum.
fn clip<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let stated =
        |call: &Call<'a, '_>, name: &str| call.attribute(name).and_then(|attribute| attribute.float).map(f64::from);
    let (low, high) = (stated(call, "min"), stated(call, "max"));
    let is_made = |i: usize| call.has(i) && call.known(i).is_none();
    if !is_made(1) && !is_made(2) {
        let (low, high) = (low.or(call.scalar(1)?), high.or(call.scalar(2)?));
        return plain(call, Clip { low, high });
    }
    let mut x = call.value(0)?;
    for (i, function) in [(1, BinaryFunction::Max), (2, BinaryFunction::Min)] {
        if let Some(bound) = call.optional(i)? {
            x = call.finish(Binary { function }, &[x, bound])?;
        }
    }
    Ok(vec![x.into()])
}

/// Floats of any width are floats of the graph, and whole numbers of any width whole numbers.
fn cast<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let to = Element::of(call.int("to", 1)?)?;
    if let Some(tensor) = call.known(0) {
        return Ok(vec![tensor.cast(to)?.into()]);
    }
    cast_to(call, to.dtype())
}

fn cast_like<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let to = match call.operand(1)? {
        Operand::Made(value) => call.fact(*value).dtype,
        Operand::Known(tensor) => tensor.dtype,
    };
    cast_to(call, to)
}

fn cast_to<'a>(call: &mut Call<'a, '_>, to: DType) -> Outputs<'a> {
    let x = call.value(0)?;
    if call.fact(x).dtype == to { Ok(vec![x.into()]) } else { Ok(vec![call.finish(Cast { to }, &[x])?.into()]) }
}

fn binary<'a>(call: &mut Call<'a, '_>, function: BinaryFunction) -> Outputs<'a> {
    let a = call.value(0)?;
    let b = call.value(1)?;
    let b = placed(call, a, b)?;
    Ok(vec![call.finish(Binary { function }, &[a, b])?.into()])
}

/// Before opset 7, the second operand could stand at an `axis` of the first, in the middle of its shape.
fn placed(call: &mut Call<'_, '_>, a: Value, b: Value) -> Result<Value> {
    let (rank, mut shape) = (call.fact(a).rank(), call.shape(b));
    if call.opset >= 7 || call.int("broadcast", 0)? == 0 || call.attribute("axis").is_none() {
        return Ok(b);
    }
    let axis = call.axis(call.int("axis", 0)?, rank)?;
    let behind = rank.checked_sub(axis + shape.len()).ok_or_else(|| Error::malformed("operands that do not fit"))?;
    shape.extend(std::iter::repeat_n(Dim::Fixed(1), behind));
    call.reshaped(b, shape)
}

/// The quotient of whole numbers is whole.
fn divide<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let a = call.value(0)?;
    let whole = call.fact(a).dtype == DType::I64;
    binary(call, if whole { BinaryFunction::Quotient } else { BinaryFunction::Div })
}

fn modulo<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    if call.int("fmod", 0)? != 0 {
        return Err(Error::unsupported("fmod = 1: the remainder with the sign of the dividend"));
    }
    binary(call, BinaryFunction::Modulo)
}

/// One function over any number of operands, from the left.
fn folded(call: &mut Call<'_, '_>, function: BinaryFunction) -> Result<Value> {
    let mut x = call.value(0)?;
    for i in 1..call.count() {
        let operand = call.value(i)?;
        x = call.finish(Binary { function }, &[x, operand])?;
    }
    Ok(x)
}

fn many<'a>(call: &mut Call<'a, '_>, function: BinaryFunction) -> Outputs<'a> {
    Ok(vec![folded(call, function)?.into()])
}

fn mean<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let sum = folded(call, BinaryFunction::Add)?;
    let scale = 1.0 / call.count() as f64;
    Ok(vec![call.finish(Scalar { scale, shift: 0.0 }, &[sum])?.into()])
}

fn choose<'a>(call: &mut Call<'a, '_>) -> Outputs<'a> {
    let inputs = [call.value(0)?, call.value(1)?, call.value(2)?];
    Ok(vec![call.finish(Where {}, &inputs)?.into()])
}
