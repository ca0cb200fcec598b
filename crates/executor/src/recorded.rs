//! What a recorded operation of Burn computes, as an operator of the graph. What is covered in part is taken in that part; all else is opaque.
mod elements;
mod modules;
mod movements;

use burn::tensor::DType as BurnType;
use burn_capture::TensorId;
use burn_ir::{BinaryOpIr, OperationIr, ScalarIr, ScalarOpIr, TensorIr};
use std::collections::BTreeMap;
use supple_graph::operators::{Binary, BinaryFunction, Expand, Opaque};
use supple_graph::{DType, Op};

/// What an operator reads.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A recorded tensor.
    Tensor(TensorId),
    /// One number that stands in the operation itself, of an operand with so many axes.
    Number(f64, DType, usize),
    /// What an operator on the way makes.
    Made(Box<Op>, Vec<Source>),
}

impl Source {
    pub fn of(ir: &TensorIr) -> Self {
        Self::Tensor(ir.id)
    }

    /// What an operator makes of this alone.
    pub fn through(self, op: impl Into<Op>) -> Self {
        Self::Made(Box::new(op.into()), vec![self])
    }

    /// Calls `visit` with every recorded tensor that is read.
    pub fn each(&self, visit: &mut dyn FnMut(TensorId)) {
        match self {
            Self::Tensor(id) => visit(*id),
            Self::Number(..) => {}
            Self::Made(_, inputs) => inputs.iter().for_each(|input| input.each(visit)),
        }
    }
}

/// An operator with what it reads, and the tensors that it makes.
#[derive(Debug)]
pub(crate) struct Recorded<'a> {
    pub op: Op,
    pub inputs: Vec<Source>,
    pub outputs: Vec<&'a TensorIr>,
}

impl<'a> Recorded<'a> {
    fn new(op: impl Into<Op>, inputs: impl IntoIterator<Item = &'a TensorIr>, output: &'a TensorIr) -> Self {
        Self::from(op, inputs.into_iter().map(Source::of), output)
    }

    /// An operator on whatever else.
    fn from(op: impl Into<Op>, inputs: impl IntoIterator<Item = Source>, output: &'a TensorIr) -> Self {
        Self { op: op.into(), inputs: inputs.into_iter().collect(), outputs: vec![output] }
    }

    /// The same operator with one more number to read.
    fn and_number(mut self, number: f64, like: &TensorIr) -> Self {
        self.inputs.push(Source::Number(number, dtype(like), like.shape.len()));
        self
    }

    fn and_output(mut self, output: &'a TensorIr) -> Self {
        self.outputs.push(output);
        self
    }
}

/// What a recorded operation computes.
pub(crate) fn recorded(operation: &OperationIr) -> Recorded<'_> {
    let known = match operation {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
            movements::operation(base)
        }
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => elements::numeric(numeric),
        OperationIr::Float(_, float) => elements::float(float),
        OperationIr::Int(int) => elements::int(int),
        OperationIr::Bool(bool) => elements::bool(bool),
        OperationIr::Module(module) => modules::module(module),
        OperationIr::Activation(activation) => modules::activation(activation),
        _ => None,
    };
    known.unwrap_or_else(|| opaque(operation))
}

/// An operator under Burn's name for it, without a definition; its facts are those that were recorded.
fn opaque(operation: &OperationIr) -> Recorded<'_> {
    let text = match operation {
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => format!("Numeric({numeric:?})"),
        OperationIr::Float(_, float) => format!("Float({float:?})"),
        other => format!("{other:?}"),
    };
    let names = text.split(['(', '{', ' ', ',']).filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
    let kind = names.take(2).collect::<Vec<_>>().join(".");
    let attributes = BTreeMap::new();
    Recorded {
        op: Opaque { kind, attributes, facts: Vec::new(), definition: None }.into(),
        inputs: operation.inputs().map(Source::of).collect(),
        outputs: operation.outputs().collect(),
    }
}

/// The type of a recorded tensor.
pub(crate) fn dtype(ir: &TensorIr) -> DType {
    match ir.dtype {
        BurnType::Bool(_) => DType::Bool,
        dtype if dtype.is_float() => DType::F32,
        _ => DType::I64,
    }
}

fn number(scalar: ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(v) => v,
        ScalarIr::Int(v) => v as f64,
        ScalarIr::UInt(v) => v as f64,
        ScalarIr::Bool(v) => f64::from(u8::from(v)),
    }
}

/// A function of two operands.
fn binary(function: BinaryFunction, ir: &BinaryOpIr) -> Recorded<'_> {
    Recorded::new(Binary { function }, [&ir.lhs, &ir.rhs], &ir.out)
}

/// A function whose second operand is one number.
fn with_number(function: BinaryFunction, ir: &ScalarOpIr) -> Recorded<'_> {
    Recorded::new(Binary { function }, [&ir.lhs], &ir.out).and_number(number(ir.rhs), &ir.lhs)
}

/// One number everywhere.
fn filled(value: f64, out: &TensorIr) -> Recorded<'_> {
    let one = Source::Number(value, dtype(out), out.shape.len());
    Recorded::from(Expand { to: Vec::new() }, [one], out)
}
