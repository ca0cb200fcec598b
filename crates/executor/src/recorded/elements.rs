//! Functions of elements, reductions, and products.
use super::{Recorded, Source, binary, filled, number, with_number};
use burn_ir::{
    BoolOperationIr as Bool, CastOpIr, FloatOperationIr as Float, IntOperationIr as Int, NumericOperationIr as Numeric,
    PadModeIr, PadOpIr, ReduceDimOpIr, ReduceOpIr, ScalarOpIr, UnaryOpIr,
};
use supple_graph::operators::{
    ArgMax, Binary, BinaryFunction as B, Border, Cast, Clip, Matmul, Pad, Reduce, Reduction as R, Scalar, TopK, Unary,
    UnaryFunction as U,
};

pub(super) fn numeric(numeric: &Numeric) -> Option<Recorded<'_>> {
    Some(match numeric {
        Numeric::Add(ir) => binary(B::Add, ir),
        Numeric::Sub(ir) => binary(B::Sub, ir),
        Numeric::Mul(ir) => binary(B::Mul, ir),
        Numeric::Div(ir) if super::dtype(&ir.out) == supple_graph::DType::I64 => binary(B::Quotient, ir),
        Numeric::Div(ir) => binary(B::Div, ir),
        Numeric::Rem(ir) => binary(B::Modulo, ir),
        Numeric::AddScalar(ir) => scalar(ir, |v| (1.0, v)),
        Numeric::SubScalar(ir) => scalar(ir, |v| (1.0, -v)),
        Numeric::MulScalar(ir) => scalar(ir, |v| (v, 0.0)),
        Numeric::DivScalar(ir) if super::dtype(&ir.out) == supple_graph::DType::F32 => scalar(ir, |v| (1.0 / v, 0.0)),
        Numeric::RemScalar(ir) => with_number(B::Modulo, ir),
        Numeric::Powi(ir) => binary(B::Pow, ir),
        Numeric::Full(ir) => filled(number(ir.value), &ir.out),
        Numeric::Neg(ir) => unary(U::Neg, ir),
        Numeric::Abs(ir) => unary(U::Abs, ir),
        Numeric::Sign(ir) => unary(U::Sign, ir),
        Numeric::PowiScalar(ir) if number(ir.rhs) == 2.0 => squared(ir),
        Numeric::PowiScalar(ir) => with_number(B::Pow, ir),
        Numeric::Clamp(ir) => {
            let op = Clip { low: Some(number(ir.min)), high: Some(number(ir.max)) };
            Recorded::new(op, [&ir.tensor], &ir.out)
        }
        Numeric::ClampMin(ir) => Recorded::new(Clip { low: Some(number(ir.rhs)), high: None }, [&ir.lhs], &ir.out),
        Numeric::ClampMax(ir) => Recorded::new(Clip { low: None, high: Some(number(ir.rhs)) }, [&ir.lhs], &ir.out),
        Numeric::Pad(ir) => pad(ir),
        other => return reduction(other).or_else(|| comparison(other)),
    })
}

fn reduction(numeric: &Numeric) -> Option<Recorded<'_>> {
    Some(match numeric {
        Numeric::MeanDim(ir) => along(R::Mean, ir),
        Numeric::SumDim(ir) => along(R::Sum, ir),
        Numeric::ProdDim(ir) => along(R::Prod, ir),
        Numeric::MaxAbsDim(ir) => {
            let size = Source::of(&ir.input).through(Unary { function: U::Abs });
            Recorded::from(Reduce::along(R::Max, ir.axis), [size], &ir.out)
        }
        Numeric::MaxDim(ir) => along(R::Max, ir),
        Numeric::MinDim(ir) => along(R::Min, ir),
        Numeric::SumDims(ir) => {
            let op = Reduce { reduction: R::Sum, axes: ir.axes.clone(), keep: true };
            Recorded::new(op, [&ir.input], &ir.out)
        }
        Numeric::Mean(ir) => over_all(R::Mean, ir)?,
        Numeric::Sum(ir) => over_all(R::Sum, ir)?,
        Numeric::Max(ir) => over_all(R::Max, ir)?,
        Numeric::Min(ir) => over_all(R::Min, ir)?,
        Numeric::ArgMax(ir) => extreme(false, ir),
        Numeric::ArgMin(ir) => extreme(true, ir),
        Numeric::TopKWithIndices(ir) => {
            let op = TopK { k: ir.k, axis: ir.dim, least: false };
            Recorded::new(op, [&ir.tensor], &ir.out).and_output(&ir.out_indices)
        }
        _ => return None,
    })
}

fn comparison(numeric: &Numeric) -> Option<Recorded<'_>> {
    Some(match numeric {
        Numeric::Greater(ir) => binary(B::Greater, ir),
        Numeric::GreaterEqual(ir) => binary(B::GreaterOrEqual, ir),
        Numeric::Lower(ir) => binary(B::Less, ir),
        Numeric::LowerEqual(ir) => binary(B::LessOrEqual, ir),
        Numeric::GreaterElem(ir) => with_number(B::Greater, ir),
        Numeric::GreaterEqualElem(ir) => with_number(B::GreaterOrEqual, ir),
        Numeric::LowerElem(ir) => with_number(B::Less, ir),
        Numeric::LowerEqualElem(ir) => with_number(B::LessOrEqual, ir),
        _ => return None,
    })
}

pub(super) fn float(float: &Float) -> Option<Recorded<'_>> {
    Some(match float {
        Float::Matmul(ir) => Recorded::new(Matmul {}, [&ir.lhs, &ir.rhs], &ir.out),
        Float::Exp(ir) => unary(U::Exp, ir),
        Float::Log(ir) => unary(U::Log, ir),
        Float::Log1p(ir) => {
            let above = Source::of(&ir.input).through(Scalar { scale: 1.0, shift: 1.0 });
            Recorded::from(Unary { function: U::Log }, [above], &ir.out)
        }
        Float::Tan(ir) => {
            let [sin, cos] = [U::Sin, U::Cos].map(|function| Source::of(&ir.input).through(Unary { function }));
            Recorded::from(Binary { function: B::Div }, [sin, cos], &ir.out)
        }
        Float::Erf(ir) => unary(U::Erf, ir),
        Float::Sqrt(ir) => unary(U::Sqrt, ir),
        Float::Sin(ir) => unary(U::Sin, ir),
        Float::Cos(ir) => unary(U::Cos, ir),
        Float::Tanh(ir) => unary(U::Tanh, ir),
        Float::Recip(ir) => unary(U::Recip, ir),
        Float::Round(ir) => unary(U::Round, ir),
        Float::Floor(ir) => unary(U::Floor, ir),
        Float::Ceil(ir) => unary(U::Ceil, ir),
        Float::Powf(ir) => binary(B::Pow, ir),
        Float::PowfScalar(ir) if number(ir.rhs) == 2.0 => squared(ir),
        Float::PowfScalar(ir) => with_number(B::Pow, ir),
        Float::IntoInt(ir) => cast(ir),
        Float::IsNan(ir) => {
            let equal = Source::Made(Box::new(Binary { function: B::Equal }.into()), vec![Source::of(&ir.input); 2]);
            Recorded::from(Unary { function: U::Not }, [equal], &ir.out)
        }
        _ => return None,
    })
}

pub(super) fn int(int: &Int) -> Option<Recorded<'_>> {
    match int {
        Int::IntoFloat(ir) => Some(cast(ir)),
        _ => None,
    }
}

pub(super) fn bool(bool: &Bool) -> Option<Recorded<'_>> {
    Some(match bool {
        Bool::IntoFloat(ir) | Bool::IntoInt(ir) => cast(ir),
        Bool::Not(ir) => unary(U::Not, ir),
        Bool::And(ir) => binary(B::And, ir),
        Bool::Or(ir) => binary(B::Or, ir),
        Bool::Xor(ir) => binary(B::Xor, ir),
    })
}

fn cast(ir: &CastOpIr) -> Recorded<'_> {
    Recorded::new(Cast { to: super::dtype(&ir.out) }, [&ir.input], &ir.out)
}

fn unary(function: U, ir: &UnaryOpIr) -> Recorded<'_> {
    Recorded::new(Unary { function }, [&ir.input], &ir.out)
}

fn squared(ir: &ScalarOpIr) -> Recorded<'_> {
    Recorded::new(Binary { function: B::Mul }, [&ir.lhs, &ir.lhs], &ir.out)
}

fn scalar(ir: &ScalarOpIr, terms: impl Fn(f64) -> (f64, f64)) -> Recorded<'_> {
    let (scale, shift) = terms(number(ir.rhs));
    Recorded::new(Scalar { scale, shift }, [&ir.lhs], &ir.out)
}

fn along(reduction: R, ir: &ReduceDimOpIr) -> Recorded<'_> {
    Recorded::new(Reduce::along(reduction, ir.axis), [&ir.input], &ir.out)
}

/// A reduction of all axes to one of length one: only of one axis, since the operator keeps as many as there were.
fn over_all(reduction: R, ir: &ReduceOpIr) -> Option<Recorded<'_>> {
    let one_axis = ir.input.shape.len() == 1 && ir.out.shape.len() == 1;
    one_axis.then(|| Recorded::new(Reduce::along(reduction, 0), [&ir.input], &ir.out))
}

fn extreme(least: bool, ir: &ReduceDimOpIr) -> Recorded<'_> {
    Recorded::new(ArgMax { axis: ir.axis, keep: true, least, last: false }, [&ir.input], &ir.out)
}

fn pad(ir: &PadOpIr) -> Recorded<'_> {
    let border = match ir.mode {
        PadModeIr::Constant(value) => Border::Value(number(value) as f32),
        PadModeIr::Reflect => Border::Mirror,
        PadModeIr::Edge => Border::Edge,
    };
    let widths = ir.padding.iter().map(|&(before, after)| [before, after]).collect();
    Recorded::new(Pad { widths, border }, [&ir.input], &ir.out)
}
