//! Verbs that add operators to a graph.
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::{DType, Dim, Fact};
use crate::graph::{Graph, NodeId, Value};
use crate::operator::Operator;
use crate::operators::{
    Binary, BinaryFunction, Cast, Constant, Matmul, Op, Permute, Reduce, Reduction, Reshape, Scalar, Unary,
    UnaryFunction, Where,
};
use std::collections::BTreeMap;

/// A graph in the making. What is there already, with the same inputs, is not added again.
#[derive(Clone, Debug)]
pub struct Tape {
    graph: Graph,
    scope: String,
    added: BTreeMap<Vec<Value>, Vec<NodeId>>,
}

impl Tape {
    /// Goes on with a graph.
    pub fn new(graph: Graph) -> Self {
        Self { graph, scope: "tape".to_owned(), added: BTreeMap::new() }
    }

    /// What there is so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// The first part of the names of what is added from now on.
    pub fn enter(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// What is known of a value.
    ///
    /// # Panics
    /// When it is not of this graph.
    pub fn fact(&self, value: Value) -> &Fact {
        &self.graph.node(value.node).facts[value.slot]
    }

    /// Lengths of the axes of a value.
    pub fn shape(&self, value: Value) -> Vec<Dim> {
        self.fact(value).shape.clone()
    }

    /// Number of axes of a value.
    pub fn rank(&self, value: Value) -> usize {
        self.fact(value).rank()
    }

    /// The first output of an operator.
    ///
    /// # Errors
    /// When the inputs do not fit.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        let op = op.into();
        let same = self.added.get(inputs).into_iter().flatten().find(|&&id| self.graph.node(id).op == op);
        if let Some(&node) = same {
            return Ok(Value { node, slot: 0 });
        }
        let name = format!("{}.{}{}", self.scope, op.name(), self.graph.len());
        let value = self.graph.add(name, op, inputs)?;
        self.added.entry(inputs.to_vec()).or_default().push(value.node);
        Ok(value)
    }

    /// Data that comes with each call.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn input(&mut self, name: &str, fact: Fact) -> Result<Value> {
        self.graph.input(name, fact)
    }

    /// Values kept beside the graph.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn parameter(&mut self, name: &str, fact: Fact) -> Result<Value> {
        self.graph.parameter(name, fact)
    }

    /// States what the graph computes.
    pub fn set_outputs(&mut self, outputs: Vec<Value>) {
        self.graph.set_outputs(outputs);
    }

    /// A single number.
    ///
    /// # Errors
    /// Never, as nothing must fit.
    pub fn number(&mut self, value: f64) -> Result<Value> {
        self.add(Constant { value: Array::full(&[], value as f32), dtype: DType::F32 }, &[])
    }

    /// The whole numbers from 0 to `count - 1`.
    ///
    /// # Errors
    /// When there are more than can be told apart.
    pub fn count_up(&mut self, count: usize) -> Result<Value> {
        if count > 1 << 24 {
            return Err(Error::new("tape", format!("{count} whole numbers, expected at most 2^24")));
        }
        let value = Array::from_fn(&[count], |at| at[0] as f32);
        self.add(Constant { value, dtype: DType::I64 }, &[])
    }

    /// A function of every element.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn map(&mut self, function: UnaryFunction, x: Value) -> Result<Value> {
        self.add(Unary { function }, &[x])
    }

    /// A function of every pair of elements.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn join(&mut self, function: BinaryFunction, a: Value, b: Value) -> Result<Value> {
        self.add(Binary { function }, &[a, b])
    }

    /// `a + b`
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn sum(&mut self, a: Value, b: Value) -> Result<Value> {
        self.join(BinaryFunction::Add, a, b)
    }

    /// `a - b`
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn difference(&mut self, a: Value, b: Value) -> Result<Value> {
        self.join(BinaryFunction::Sub, a, b)
    }

    /// `a * b`
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn times(&mut self, a: Value, b: Value) -> Result<Value> {
        self.join(BinaryFunction::Mul, a, b)
    }

    /// `a / b`
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn over(&mut self, a: Value, b: Value) -> Result<Value> {
        self.join(BinaryFunction::Div, a, b)
    }

    /// `scale * x + shift`
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn line(&mut self, scale: f64, shift: f64, x: Value) -> Result<Value> {
        if (scale, shift) == (1.0, 0.0) { Ok(x) } else { self.add(Scalar { scale, shift }, &[x]) }
    }

    /// `a` where the condition is true, else `b`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn choose(&mut self, condition: Value, a: Value, b: Value) -> Result<Value> {
        self.add(Where {}, &[condition, a, b])
    }

    /// Truth values or whole numbers as floats.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn floats(&mut self, x: Value) -> Result<Value> {
        if self.fact(x).dtype == DType::F32 { Ok(x) } else { self.add(Cast { to: DType::F32 }, &[x]) }
    }

    /// A reduction of axes, which stay with length one.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn reduce(&mut self, reduction: Reduction, axes: &[usize], x: Value) -> Result<Value> {
        if axes.is_empty() {
            return Ok(x);
        }
        self.add(Reduce { reduction, axes: axes.to_vec(), keep: true }, &[x])
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn reshape(&mut self, x: Value, to: &[Dim]) -> Result<Value> {
        if self.fact(x).shape == to { Ok(x) } else { self.add(Reshape { to: to.to_vec() }, &[x]) }
    }

    /// Axes in another order.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn permute(&mut self, x: Value, order: &[usize]) -> Result<Value> {
        self.add(Permute { order: order.to_vec() }, &[x])
    }

    /// The last two axes swapped.
    ///
    /// # Errors
    /// As [`add`](Self::add), or when there are fewer than two.
    pub fn transpose(&mut self, x: Value) -> Result<Value> {
        let mut order: Vec<usize> = (0..self.rank(x)).collect();
        order.rotate_right(2.min(self.rank(x)));
        order.get_mut(..2).into_iter().for_each(<[usize]>::reverse);
        order.rotate_left(2.min(self.rank(x)));
        self.permute(x, &order)
    }

    /// Matrix product.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn product(&mut self, a: Value, b: Value) -> Result<Value> {
        self.add(Matmul {}, &[a, b])
    }

    /// Ones in the shape of `x`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn ones_like(&mut self, x: Value) -> Result<Value> {
        let x = self.floats(x)?;
        self.join(BinaryFunction::Equal, x, x).and_then(|equal| self.floats(equal))
    }

    /// `x` repeated to the shape of `like`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn repeat(&mut self, x: Value, like: Value) -> Result<Value> {
        if self.fact(x).shape == self.fact(like).shape {
            return Ok(x);
        }
        let ones = self.ones_like(like)?;
        self.times(ones, x)
    }

    /// `x` summed to a shape that was repeated to that of `x`: how a gradient goes back through broadcasting.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn sum_to(&mut self, x: Value, shape: &[Dim]) -> Result<Value> {
        let from = self.shape(x);
        let lead = from.len().saturating_sub(shape.len());
        let repeated = |axis: usize| axis < lead || from[axis] != shape[axis - lead];
        let axes: Vec<usize> = (0..from.len()).filter(|&axis| repeated(axis)).collect();
        let summed = self.reduce(Reduction::Sum, &axes, x)?;
        self.reshape(summed, shape)
    }

    /// How many elements of `x` become one when `axes` are reduced: a number, or what counts it where the batch is among them.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn count(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let dims: Vec<Dim> = axes.iter().map(|&axis| self.fact(x).shape[axis]).collect();
        if dims.iter().any(|dim| dim.is_batch()) {
            let ones = self.ones_like(x)?;
            return self.add(
                Reduce { reduction: Reduction::Sum, axes: axes.to_vec(), keep: axes.len() < self.rank(x) },
                &[ones],
            );
        }
        self.number(dims.iter().map(|dim| dim.count() as f64).product())
    }

    /// `x` with the axes before the last `kept` ones made one.
    ///
    /// # Errors
    /// When more than one of them is a batch axis.
    pub fn flatten_leading(&mut self, x: Value, kept: usize) -> Result<Value> {
        let shape = self.shape(x);
        let (lead, tail) = shape.split_at(shape.len().saturating_sub(kept));
        let rows = Dim::product(lead).ok_or_else(|| Error::new("tape", "more than one batch axis"))?;
        self.reshape(x, &[&[rows], tail].concat())
    }

    /// Ones where a new last axis of `count` elements counts to the index; negative indices count from the end.
    ///
    /// # Errors
    /// As [`count_up`](Self::count_up).
    pub fn one_hot(&mut self, indices: Value, count: usize) -> Result<Value> {
        let length = self.number(count as f64)?;
        let indices = self.join(BinaryFunction::Modulo, indices, length)?;
        let column = [self.shape(indices), vec![Dim::Fixed(1)]].concat();
        let (indices, numbers) = (self.reshape(indices, &column)?, self.count_up(count)?);
        let equal = self.join(BinaryFunction::Equal, indices, numbers)?;
        self.floats(equal)
    }
}
