//! Operators that look elements up, choose among them, or change their type.
use super::Runner;
use crate::error::{Error, Result};
use crate::tensor::{Any, choose, download, expand, lengths, reshape, select, upload};
use burn::backend::Dispatch;
use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps, ModuleOps};
use burn::tensor::{Device, TensorData};
use supple_graph::operators::{ArgMax, Keep, TopK};
use supple_graph::{DType, Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    let from = inputs.first().map(|fact| fact.dtype)?;
    match op {
        Op::Embedding(_) => Some(Runner::of(|mut operands, call| {
            let (table, at) = (operands.take()?, operands.take()?);
            let at = flat(checked(at, lengths(&table)[0])?);
            let row = vec![1, lengths(&at)[0]];
            Ok(reshape(Dispatch::embedding(table, reshape(at, row)), call.shape()))
        })),
        Op::Gather(op) => {
            let axis = op.axis;
            Some(Runner::of(move |mut operands, call| {
                let (x, at) = (operands.take()?, operands.take()?);
                let at = wrapped(at, lengths(&x)[axis], call.device)?;
                Ok(reshape(select(x, axis, flat(at)), call.shape()))
            }))
        }
        Op::Where(_) if from == DType::Bool => Some(Runner::of(|mut operands, call| {
            let shape = call.shape();
            let mask = expand(operands.take()?, &shape);
            let (a, b) = (expand(operands.take()?, &shape), expand(operands.take()?, &shape));
            Ok(choose(b, mask, a))
        })),
        Op::Cast(op) => {
            let to = op.to;
            Some(Runner::of(move |mut operands, call| Ok(cast(operands.take()?, from, to, call.device))))
        }
        Op::ArgMax(op) if from == DType::F32 && !op.last => Some(arg_max(op)),
        Op::TopK(op) if from == DType::F32 => Some(top_k(op)),
        Op::Keep(op) => Some(keep(op)),
        _ => None,
    }
}

fn flat(x: Any) -> Any {
    let elements = lengths(&x).iter().product();
    reshape(x, vec![elements])
}

/// Indices of `length` elements, refused unless they are: Burn does not look.
pub(super) fn checked(at: Any, length: usize) -> Result<Any> {
    let words = download(at.clone())?;
    match words.data().iter().find(|word| !(0.0..length as f32).contains(*word)) {
        Some(word) => Err(Error::new("index", format!("{word}, expected 0 to {}", length.saturating_sub(1)))),
        None => Ok(at),
    }
}

/// Indices of `length` elements, those below zero counted from the end.
fn wrapped(at: Any, length: usize, device: &Device) -> Result<Any> {
    let mut words = download(at.clone())?;
    if words.data().iter().all(|&word| word >= 0.0) {
        return checked(at, length);
    }
    words.data_mut().iter_mut().filter(|word| **word < 0.0).for_each(|word| *word += length as f32);
    checked(upload(&words, DType::I64, device.as_dispatch()), length)
}

fn cast(x: Any, from: DType, to: DType, device: &Device) -> Any {
    let settings = device.settings();
    match (from, to) {
        (DType::F32, DType::I64) => Dispatch::float_into_int(x, settings.int_dtype),
        (DType::F32, DType::Bool) => Dispatch::float_not_equal_elem(x, 0.0.into(), settings.bool_dtype),
        (DType::I64, DType::F32) => Dispatch::int_into_float(x, settings.float_dtype),
        (DType::I64, DType::Bool) => Dispatch::int_not_equal_elem(x, 0.into(), settings.bool_dtype),
        (DType::Bool, DType::F32) => Dispatch::bool_into_float(x, settings.float_dtype),
        (DType::Bool, DType::I64) => Dispatch::bool_into_int(x, settings.int_dtype),
        _ => x,
    }
}

fn arg_max(op: &ArgMax) -> Runner {
    let (axis, least) = (op.axis, op.least);
    Runner::of(move |mut operands, call| {
        let dtype = call.device.settings().int_dtype;
        let find = if least { Dispatch::float_argmin } else { Dispatch::float_argmax };
        Ok(reshape(find(operands.take()?, axis, dtype), call.shape()))
    })
}

fn top_k(op: &TopK) -> Runner {
    let TopK { k, axis, least } = *op;
    Runner::new(move |mut operands, call| {
        let dtype = call.device.settings().int_dtype;
        let turned = |x| if least { Dispatch::float_neg(x) } else { x };
        let (values, indices) = Dispatch::float_topk_with_indices(turned(operands.take()?), axis, k, dtype);
        Ok(vec![turned(values), indices])
    })
}

/// Norms come to the host, positions go back: rows of what stands behind the axis are taken there.
fn keep(op: &Keep) -> Runner {
    let op = op.clone();
    Runner::of(move |mut operands, call| {
        let x = operands.take()?;
        let shape = lengths(&x);
        let (length, width) = (shape[op.axis], shape[op.axis + 1..].iter().product());
        let rows = shape[..=op.axis].iter().product();
        let x = reshape(x, vec![rows, width]);
        let squares = download(Dispatch::float_sum_dim(Dispatch::float_mul(x.clone(), x.clone()), 1))?;
        let chosen = |(at, norms): (usize, &[f32])| {
            let norms: Vec<f64> = norms.iter().map(|&norm| norm.into()).collect();
            op.chosen(&norms).into_iter().map(move |token| (at * length + token) as i64)
        };
        let places: Vec<i64> = squares.data().chunks(length).enumerate().flat_map(chosen).collect();
        let count = places.len();
        let places = Dispatch::int_from_data(TensorData::new(places, [count]), call.device.as_dispatch());
        Ok(reshape(select(x, 0, places), call.shape()))
    })
}
