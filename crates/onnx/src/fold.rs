//! Nodes all of whose inputs are known disappear while the file is read: their results are computed by the operators' own `eval`.
use crate::builder::Builder;
use crate::calculus;
use crate::call::{Call, Convert, Operand};
use crate::error::Result;
use crate::names::Names;
use crate::proto::NodeDef;
use crate::tensor::Tensor;
use std::rc::Rc;
use supple_graph::{Array, DType, Phase, Value};

/// Operators that only move elements: what they do to positions they do to anything.
const MOVERS: [&str; 15] = [
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "Reshape",
    "ScatterElements",
    "ScatterND",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Identity",
];

/// Those of them that keep the elements, or the shape, of their first operand, so that weights keep their name.
const KEEPERS: [&str; 8] =
    ["Flatten", "Reshape", "ScatterElements", "ScatterND", "Squeeze", "Transpose", "Unsqueeze", "Identity"];

/// Whole numbers above are not exact as floats.
const EXACT: i64 = 1 << 24;

/// A node whose inputs are all known.
pub(crate) struct Fold<'a, 'b> {
    pub(crate) node: &'b NodeDef<'a>,
    pub(crate) opset: i64,
    pub(crate) inputs: &'b [Option<Operand<'a>>],
    pub(crate) names: &'b Names<'a>,
}

impl<'a> Fold<'a, '_> {
    /// The node's outputs; `None` when they are too large or cannot be told yet, so that the node has to stay.
    pub(crate) fn run(&self, convert: Convert, budget: &mut f64) -> Result<Option<Vec<Operand<'a>>>> {
        let Some(tensors) = self.tensors() else { return Ok(None) };
        let size: f64 = tensors.iter().map(|tensor| tensor.len() as f64).sum();
        if size > *budget || size >= EXACT as f64 {
            return Ok(None);
        }
        *budget -= size;
        if MOVERS.contains(&self.node.operator) {
            return self.moved(convert, budget);
        }
        if tensors.iter().all(|tensor| tensor.dtype != DType::F32) {
            let operands: Vec<&Tensor<'a>> = tensors.iter().map(Rc::as_ref).collect();
            if let Some(tensor) = calculus::compute(self.node.operator, &operands)? {
                return Ok(Some(vec![tensor.into()]));
            }
        }
        if tensors.iter().all(|tensor| is_exact(tensor)) { self.evaluated(convert, budget) } else { Ok(None) }
    }

    fn tensors(&self) -> Option<Vec<Rc<Tensor<'a>>>> {
        let known = |operand: &Operand<'a>| match operand {
            Operand::Known(tensor) => Some(tensor.clone()),
            Operand::Made(_) => None,
        };
        self.inputs.iter().flatten().map(known).collect()
    }

    fn call<'c>(&'c self, builder: &'c mut Builder<'a>, by_position: bool) -> Call<'a, 'c> {
        let positions = by_position.then(Vec::new);
        Call { node: self.node, opset: self.opset, inputs: self.inputs, names: self.names, builder, positions }
    }

    /// The outputs of a node that only moves elements.
    fn moved(&self, convert: Convert, budget: &mut f64) -> Result<Option<Vec<Operand<'a>>>> {
        let mut builder = Builder::new("positions", *budget);
        let mut call = self.call(&mut builder, true);
        let outputs = convert(&mut call)?;
        let operands = call.positions.take().unwrap_or_default();
        let Some(arrays) = evaluate(builder, &outputs, budget)? else { return Ok(None) };
        let weights = self.weights(&operands);
        let pick = |(output, positions): (Operand<'a>, Option<Array>)| match positions {
            Some(positions) => Tensor::picked(&operands, &positions, weights).map(Operand::from),
            None => Ok(output),
        };
        outputs.into_iter().zip(arrays).map(pick).collect::<Result<_>>().map(Some)
    }

    /// What results made of weights are called.
    fn weights(&self, operands: &[Rc<Tensor<'a>>]) -> Option<&'a str> {
        match operands {
            [first, ..] if KEEPERS.contains(&self.node.operator) => first.weights,
            _ if operands.iter().any(|operand| operand.weights.is_some()) => self.node.outputs.first().copied(),
            _ => None,
        }
    }

    /// The outputs of a node that computes.
    fn evaluated(&self, convert: Convert, budget: &mut f64) -> Result<Option<Vec<Operand<'a>>>> {
        let mut builder = Builder::new("constants", *budget);
        let outputs = convert(&mut self.call(&mut builder, false))?;
        let dtype = |output: &Operand<'a>| match output {
            Operand::Made(value) => builder.fact(*value).dtype,
            Operand::Known(tensor) => tensor.dtype,
        };
        let dtypes: Vec<DType> = outputs.iter().map(dtype).collect();
        let Some(arrays) = evaluate(builder, &outputs, budget)? else { return Ok(None) };
        let tensor = |((output, array), dtype): ((Operand<'a>, Option<Array>), DType)| match array {
            Some(array) => Tensor::from_array(dtype, array).into(),
            None => output,
        };
        Ok(Some(outputs.into_iter().zip(arrays).zip(dtypes).map(tensor).collect()))
    }
}

fn is_exact(tensor: &Tensor<'_>) -> bool {
    let fits = |number: Option<i64>| number.is_some_and(|number| (-EXACT..=EXACT).contains(&number));
    tensor.dtype == DType::F32 || tensor.ints().is_ok_and(|numbers| numbers.iter().all(|n| fits(n.known())))
}

/// The values of those outputs that the graph makes; `None` when they cost more than `budget`, or one follows the batch.
fn evaluate(mut builder: Builder<'_>, outputs: &[Operand<'_>], budget: &mut f64) -> Result<Option<Vec<Option<Array>>>> {
    let graph = &mut builder.graph;
    let facts = graph.ids().flat_map(|id| &graph.node(id).facts);
    let cost = facts.map(supple_graph::Fact::elements).sum::<f64>() + graph.work(1, Phase::Forward).flops;
    if !cost.is_finite() || cost > *budget {
        return Ok(None);
    }
    *budget -= cost;
    let made = |output: &Operand<'_>| match output {
        Operand::Made(value) => Some(*value),
        Operand::Known(_) => None,
    };
    let values: Vec<Value> = outputs.iter().filter_map(made).collect();
    if values.iter().any(|&value| graph.fact(value).is_ok_and(|fact| fact.shape.iter().any(|dim| dim.is_batch()))) {
        return Ok(None);
    }
    graph.set_outputs(values);
    let mut arrays = graph.eval(&builder.weights, &[])?.into_iter();
    Ok(Some(outputs.iter().map(|output| made(output).and_then(|_| arrays.next())).collect()))
}
