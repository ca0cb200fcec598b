//! The graph under construction.
use crate::error::{Error, Result};
use crate::tensor::{LONGEST_AXIS, MOST_AXES, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use supple_graph::operators::{Constant, Op, Permute};
use supple_graph::{Array, DType, Fact, Graph, Value, Weights};

/// How the axes of a weight matrix stand in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    AsStored,
    Transposed,
}

/// A graph with its weights, and the names that are taken in it.
pub(crate) struct Builder<'a> {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights,
    /// Names that only the weights and inputs of these names may have.
    pub(crate) reserved: BTreeSet<&'a str>,
    /// Elements that may still be computed or copied beyond what the file holds.
    pub(crate) budget: f64,
    taken: BTreeSet<String>,
    placed: BTreeMap<String, Placed<'a>>,
}

/// A tensor of the file that stands in the graph.
struct Placed<'a> {
    tensor: Rc<Tensor<'a>>,
    layout: Layout,
    value: Value,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(name: &str, budget: f64) -> Self {
        Self {
            graph: Graph::new(name),
            weights: Weights::new(),
            reserved: BTreeSet::new(),
            budget,
            taken: BTreeSet::new(),
            placed: BTreeMap::new(),
        }
    }

    /// Takes `elements` off the budget, unless they are more than is left.
    pub(crate) fn spend(&mut self, elements: f64) -> bool {
        let enough = elements <= self.budget;
        if enough {
            self.budget -= elements;
        }
        enough
    }

    /// A name that no node has yet: `name` itself, or with a number behind.
    fn unique(&mut self, name: &str, may_be_reserved: bool) -> String {
        let name = if name.is_empty() { "node" } else { name };
        let is_taken = self.taken.contains(name) || (!may_be_reserved && self.reserved.contains(name));
        let found = if is_taken { self.numbered(name) } else { name.to_owned() };
        self.taken.insert(found.clone());
        found
    }

    /// `name` with the first free number behind; numbers in use are skipped by doubling, then halving.
    fn numbered(&self, name: &str) -> String {
        let with = |number: u64| format!("{name}#{number}");
        let is_free = |number: u64| {
            let name = with(number);
            !self.taken.contains(&name) && !self.reserved.contains(name.as_str())
        };
        let mut step = 2;
        while !is_free(step) {
            step *= 2;
        }
        let (mut used, mut free) = (step / 2, step);
        while used + 1 < free {
            let middle = used.midpoint(free);
            if is_free(middle) { free = middle } else { used = middle }
        }
        with(free)
    }

    pub(crate) fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        let name = self.unique(name, false);
        let value = self.graph.add(name, op, inputs)?;
        self.graph.node(value.node).facts.iter().try_for_each(check_size)?;
        Ok(value)
    }

    pub(crate) fn input(&mut self, name: &str, fact: Fact) -> Result<Value> {
        check_size(&fact)?;
        let name = self.unique(name, true);
        Ok(self.graph.input(&name, fact)?)
    }

    /// A value that stands in the graph itself.
    pub(crate) fn constant(&mut self, name: &str, value: Array, dtype: DType) -> Result<Value> {
        self.add(name, Constant { value, dtype }, &[])
    }

    /// A tensor of the file as a constant, which stands in the graph only once.
    pub(crate) fn shared_constant(&mut self, name: &str, tensor: &Rc<Tensor<'a>>) -> Result<Value> {
        if let Some(placed) = self.find(name, tensor) {
            return Ok(placed.value);
        }
        let value = self.constant(name, tensor.array()?, tensor.dtype)?;
        self.remember(name, tensor, Layout::AsStored, value);
        Ok(value)
    }

    /// Weights under a name that nothing else has.
    pub(crate) fn parameter(&mut self, name: &str, tensor: &Tensor<'_>, layout: Layout) -> Result<Value> {
        let array = match layout {
            Layout::AsStored => tensor.array()?,
            Layout::Transposed => transposed(&tensor.array()?)?,
        };
        let name = self.unique(name, true);
        let value = self.graph.parameter(&name, Fact::fixed(array.shape()))?;
        self.weights.insert(value.node, array);
        Ok(value)
    }

    /// Weights that all operators share which name them.
    pub(crate) fn shared_parameter(&mut self, name: &str, tensor: &Rc<Tensor<'a>>, layout: Layout) -> Result<Value> {
        match self.find(name, tensor) {
            Some(placed) if placed.layout == layout => Ok(placed.value),
            Some(&Placed { value, .. }) => {
                self.add(&format!("{name}/transposed"), Permute { order: vec![1, 0] }, &[value])
            }
            None => {
                let value = self.parameter(name, tensor, layout)?;
                self.remember(name, tensor, layout, value);
                Ok(value)
            }
        }
    }

    /// Whether a tensor of the file stands in the graph under this name.
    pub(crate) fn is_placed(&self, name: &str) -> bool {
        self.placed.contains_key(name)
    }

    fn find(&self, name: &str, tensor: &Rc<Tensor<'a>>) -> Option<&Placed<'a>> {
        self.placed.get(name).filter(|placed| Rc::ptr_eq(&placed.tensor, tensor))
    }

    fn remember(&mut self, name: &str, tensor: &Rc<Tensor<'a>>, layout: Layout, value: Value) {
        self.placed.insert(name.to_owned(), Placed { tensor: tensor.clone(), layout, value });
    }

    pub(crate) fn fact(&self, value: Value) -> &Fact {
        &self.graph.node(value.node).facts[value.slot]
    }
}

fn check_size(fact: &Fact) -> Result<()> {
    let axis = fact.shape.iter().any(|dim| dim.count() as u64 > LONGEST_AXIS);
    if axis || fact.rank() > MOST_AXES || fact.elements() > LONGEST_AXIS as f64 {
        return Err(Error::too_large(format!("a tensor of {fact}")));
    }
    Ok(())
}

fn transposed(array: &Array) -> Result<Array> {
    let &[rows, columns] = array.shape() else {
        return Err(Error::malformed(format!("weights of shape {:?}, expected a matrix", array.shape())));
    };
    let data = array.data();
    let column = |column| (0..rows).map(move |row| data[row * columns + column]);
    Ok(Array::new(vec![columns, rows], (0..columns).flat_map(column).collect())?)
}
