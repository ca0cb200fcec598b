//! The contract of an operator of ONNX: a function that turns one node into operators of the graph.
use crate::builder::{Builder, Layout};
use crate::error::{Error, Result};
use crate::names::Names;
use crate::number::Number;
use crate::proto::{AttributeDef, NodeDef};
use crate::tensor::Tensor;
use std::rc::Rc;
use supple_graph::operators::{Op, Permute, Reshape};
use supple_graph::{Array, DType, Dim, Fact, Value};

/// Turns a node into operators of the graph; gives the node's outputs.
pub(crate) type Convert = for<'a> fn(&mut Call<'a, '_>) -> Result<Vec<Operand<'a>>>;

/// An input or output of a node.
#[derive(Clone, Debug)]
pub(crate) enum Operand<'a> {
    /// Known while the file is read.
    Known(Rc<Tensor<'a>>),
    /// Made by the graph.
    Made(Value),
}

impl From<Value> for Operand<'_> {
    fn from(value: Value) -> Self {
        Self::Made(value)
    }
}

impl<'a> From<Tensor<'a>> for Operand<'a> {
    fn from(tensor: Tensor<'a>) -> Self {
        Self::Known(Rc::new(tensor))
    }
}

/// Largest number that an attribute may have where it counts elements.
const LARGEST: i64 = 1 << 31;

/// One node, with its inputs and the graph that it goes into.
pub(crate) struct Call<'a, 'b> {
    pub(crate) node: &'b NodeDef<'a>,
    pub(crate) opset: i64,
    pub(crate) inputs: &'b [Option<Operand<'a>>],
    pub(crate) names: &'b Names<'a>,
    pub(crate) builder: &'b mut Builder<'a>,
    /// When only the way of the elements is asked for: the operands so far, each of which holds the positions of its elements in all of them.
    pub(crate) positions: Option<Vec<Rc<Tensor<'a>>>>,
}

impl<'a> Call<'a, '_> {
    /// Name of the node, or of its first output.
    pub(crate) fn name(&self) -> &'a str {
        name_of(self.node)
    }

    /// Whether input `i` is given.
    pub(crate) fn has(&self, i: usize) -> bool {
        matches!(self.inputs.get(i), Some(Some(_)))
    }

    /// Number of inputs, absent ones at the end aside.
    pub(crate) fn count(&self) -> usize {
        self.inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
    }

    pub(crate) fn operand(&self, i: usize) -> Result<&Operand<'a>> {
        let operand = self.inputs.get(i).and_then(Option::as_ref);
        operand.ok_or_else(|| Error::malformed(format!("input {i} is missing")))
    }

    /// Input `i` as a value of the graph: weights become parameters, other known tensors constants.
    pub(crate) fn value(&mut self, i: usize) -> Result<Value> {
        match self.operand(i)?.clone() {
            Operand::Made(value) => Ok(value),
            Operand::Known(tensor) if self.positions.is_some() => self.positions(&tensor),
            Operand::Known(tensor) => self.place(i, &tensor),
        }
    }

    fn place(&mut self, i: usize, tensor: &Rc<Tensor<'a>>) -> Result<Value> {
        match tensor.weights {
            Some(_) if tensor.dtype == DType::F32 && tensor.len() != 1 => self.weights(i, tensor, Layout::AsStored),
            _ => self.builder.shared_constant(self.node.inputs[i], tensor),
        }
    }

    /// Positions of the elements of `tensor` among those of all operands.
    fn positions(&mut self, tensor: &Rc<Tensor<'a>>) -> Result<Value> {
        let operands = self.positions.get_or_insert_default();
        let first: usize = operands.iter().map(|operand| operand.len()).sum();
        operands.push(tensor.clone());
        let numbers = (first..first + tensor.len()).map(|i| i as f32).collect();
        self.builder.constant("positions", Array::new(tensor.shape.clone(), numbers)?, tensor.dtype)
    }

    /// Input `i` as a value of the graph, if it is given.
    pub(crate) fn optional(&mut self, i: usize) -> Result<Option<Value>> {
        self.has(i).then(|| self.value(i)).transpose()
    }

    /// Input `i` as a value of whole numbers that choose among others, never replaced by positions.
    pub(crate) fn indices(&mut self, i: usize) -> Result<Value> {
        match self.operand(i)?.clone() {
            Operand::Made(value) => Ok(value),
            Operand::Known(tensor) => self.builder.shared_constant(self.node.inputs[i], &tensor),
        }
    }

    /// Input `i`, which the operator takes for its weights, in the layout that the graph wants.
    pub(crate) fn weight(&mut self, i: usize, layout: Layout) -> Result<Value> {
        match self.operand(i)?.clone() {
            Operand::Known(tensor) if tensor.dtype == DType::F32 => self.weights(i, &tensor, layout),
            _ => {
                let value = self.value(i)?;
                if layout == Layout::AsStored { Ok(value) } else { self.transposed(value) }
            }
        }
    }

    fn transposed(&mut self, value: Value) -> Result<Value> {
        let rank = self.fact(value).rank();
        let last = rank.checked_sub(2).ok_or_else(|| Error::malformed("a matrix is expected"))?;
        let order = (0..last).chain([rank - 1, last]).collect();
        self.helper("transposed", Permute { order }, &[value])
    }

    /// Exporters let equal weights share a name, so each reader of a vector gets its own; matrices that are shared stay tied, unless the
    /// exporter noted that they were others.
    fn weights(&mut self, i: usize, tensor: &Rc<Tensor<'a>>, layout: Layout) -> Result<Value> {
        let stored = tensor.weights.unwrap_or(self.node.inputs[i]);
        let names = self.names;
        let name = names.of(self.node, i, stored);
        let name = name.as_ref();
        if !self.names.is_shared(stored) {
            return self.builder.shared_parameter(name, tensor, layout);
        }
        let is_vector = tensor.shape.len() <= 1;
        let is_copy = is_vector || (name != stored && !self.builder.is_placed(name));
        if is_copy && !self.builder.spend(tensor.len() as f64) {
            return self.builder.shared_parameter(stored, tensor, layout);
        }
        if is_vector {
            return self.builder.parameter(name, tensor, layout);
        }
        self.builder.shared_parameter(name, tensor, layout)
    }

    /// Input `i`, when it is known before the graph runs.
    pub(crate) fn known(&self, i: usize) -> Option<&Rc<Tensor<'a>>> {
        match self.inputs.get(i)? {
            Some(Operand::Known(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// The whole numbers of input `i`, which has to be known; `None` when it is not given.
    pub(crate) fn sizes(&self, i: usize) -> Result<Option<Rc<[Number]>>> {
        if !self.has(i) {
            return Ok(None);
        }
        let tensor = self.known(i).ok_or_else(|| self.not_known(i))?;
        tensor.ints().map(Some)
    }

    /// As [`sizes`](Self::sizes), for numbers that must not depend on the batch.
    pub(crate) fn numbers(&self, i: usize) -> Result<Option<Vec<i64>>> {
        let Some(sizes) = self.sizes(i)? else { return Ok(None) };
        let known = sizes.iter().map(|number| number.known()).collect::<Option<_>>();
        known.map(Some).ok_or_else(|| Error::unsupported(format!("input {i} depends on the batch")))
    }

    /// The one number of input `i`, which has to be known; `None` when it is not given.
    pub(crate) fn scalar(&self, i: usize) -> Result<Option<f64>> {
        if !self.has(i) {
            return Ok(None);
        }
        let tensor = self.known(i).ok_or_else(|| self.not_known(i))?;
        tensor.scalar()?.map(Some).ok_or_else(|| Error::unsupported(format!("input {i} is not a single number")))
    }

    fn not_known(&self, i: usize) -> Error {
        let name = self.node.inputs.get(i).copied().unwrap_or_default();
        Error::unsupported(format!("input {i}, `{name}`, is not known before the graph runs"))
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeDef<'a>> {
        self.node.attribute(name)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64> {
        let value = self.attribute(name).and_then(|attribute| attribute.int).unwrap_or(default);
        in_range(value).ok_or_else(|| Error::too_large(format!("{name} = {value}")))
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.attribute(name).and_then(|attribute| attribute.float).unwrap_or(default))
    }

    /// The text of an attribute, or `default`.
    pub(crate) fn text(&self, name: &str, default: &'static str) -> Result<&'a str> {
        let Some(bytes) = self.attribute(name).and_then(|attribute| attribute.text) else { return Ok(default) };
        std::str::from_utf8(bytes).map_err(|_| Error::malformed(format!("{name} is not text")))
    }

    /// The whole numbers of an attribute, if it is there.
    pub(crate) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|attribute| attribute.ints.clone())
    }

    /// Counts of an attribute, one for each of `rank` axes.
    pub(crate) fn counts(&self, name: &str, rank: usize, default: usize) -> Result<Vec<usize>> {
        let Some(ints) = self.ints(name) else { return Ok(vec![default; rank]) };
        let counts: Option<Vec<usize>> = ints.iter().map(|&n| count(n)).collect();
        let counts = counts.filter(|counts| counts.len() == rank);
        counts.ok_or_else(|| Error::malformed(format!("{name} = {ints:?}, expected {rank} counts")))
    }

    /// An axis that may be counted from the end, below `rank`.
    pub(crate) fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        axis_below(axis, rank)
    }

    /// The axes of attribute `axes`, or, as newer versions have it, of input `i`.
    pub(crate) fn axes(&self, i: usize, rank: usize) -> Result<Option<Vec<usize>>> {
        let numbers = match self.ints("axes") {
            Some(ints) => Some(ints),
            None => self.numbers(i)?,
        };
        let axes = |numbers: Vec<i64>| numbers.into_iter().map(|axis| axis_below(axis, rank)).collect();
        numbers.map(axes).transpose()
    }

    pub(crate) fn fact(&self, value: Value) -> &Fact {
        self.builder.fact(value)
    }

    pub(crate) fn shape(&self, value: Value) -> Vec<Dim> {
        self.fact(value).shape.clone()
    }

    /// An operator that stands for the whole node, or ends it.
    pub(crate) fn finish(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        self.builder.add(self.name(), op, inputs)
    }

    /// An operator on the way to the node's result.
    pub(crate) fn helper(&mut self, part: &str, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        self.builder.add(&format!("{}/{part}", self.name()), op, inputs)
    }

    /// The same elements under another shape; nothing is added when they have it already.
    pub(crate) fn reshaped(&mut self, value: Value, to: Vec<Dim>) -> Result<Value> {
        if self.fact(value).shape == to { Ok(value) } else { self.helper("reshape", Reshape { to }, &[value]) }
    }
}

/// Name of a node, or of its first output.
pub(crate) fn name_of<'a>(node: &NodeDef<'a>) -> &'a str {
    if node.name.is_empty() { node.outputs.first().copied().unwrap_or_default() } else { node.name }
}

/// An axis that may be counted from the end, below `rank`.
pub(crate) fn axis_below(axis: i64, rank: usize) -> Result<usize> {
    let length = rank as i64;
    let from_start = if axis < 0 { axis.checked_add(length) } else { Some(axis) };
    let found = from_start.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    found.ok_or_else(|| Error::malformed(format!("axis {axis} of {rank}")))
}

fn in_range(value: i64) -> Option<i64> {
    (-LARGEST..=LARGEST).contains(&value).then_some(value)
}

/// A number of elements.
pub(crate) fn count(value: i64) -> Option<usize> {
    in_range(value).and_then(|value| usize::try_from(value).ok())
}
