//! The computation graph.
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::Operator;
use crate::operators::{Input, Op, Parameter};
use crate::phase::Phase;
use crate::work::Work;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// One tensor of a graph: an output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value {
    /// The node that makes it.
    pub node: NodeId,
    /// Which of the node's outputs.
    pub slot: usize,
}

/// An operator in its place, with the facts of its outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What is known of its outputs.
    pub facts: Vec<Fact>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    slot: usize,
    port: usize,
}

/// A computation: nodes in an order in which they can run, with named inputs and outputs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Graph {
    name: String,
    nodes: DiGraph<Node, Edge>,
    outputs: Vec<Value>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        let same_nodes =
            || self.ids().all(|id| self.node(id) == other.node(id) && self.inputs_of(id) == other.inputs_of(id));
        self.name == other.name && self.outputs == other.outputs && self.len() == other.len() && same_nodes()
    }
}

/// The values of a graph's parameters.
pub type Weights = BTreeMap<NodeId, Array>;

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an operator behind those that make its inputs; its facts are inferred.
    ///
    /// # Errors
    /// When an input does not exist, the inputs do not fit, or the name is taken.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        let (name, op) = (name.into(), op.into());
        if self.nodes.node_weights().any(|node| node.name == name) {
            return Err(Error::new(name, "the name is taken"));
        }
        let facts = inputs.iter().map(|&value| self.fact(value)).collect::<Result<Vec<_>>>()?;
        let facts = op.infer(&facts).map_err(|error| error.at(&name))?;
        let index = self.nodes.add_node(Node { name, op, facts });
        for (port, value) in inputs.iter().enumerate() {
            self.nodes.add_edge(NodeIndex::new(value.node.0), index, Edge { slot: value.slot, port });
        }
        Ok(Value { node: NodeId(index.index()), slot: 0 })
    }

    /// Adds data that comes with each call.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn input(&mut self, name: &str, fact: Fact) -> Result<Value> {
        self.add(name, Input { fact }, &[])
    }

    /// Adds trained weights.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn parameter(&mut self, name: &str, fact: Fact) -> Result<Value> {
        self.add(name, Parameter { fact }, &[])
    }

    /// States what the graph computes.
    pub fn set_outputs(&mut self, outputs: Vec<Value>) {
        self.outputs = outputs;
    }

    /// What the graph computes.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nodes, in an order in which they can run.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.len()).map(NodeId)
    }

    /// A node of this graph.
    ///
    /// # Panics
    /// When there is none with this index.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[NodeIndex::new(id.0)]
    }

    /// Puts another operator in a node's place; the caller keeps the graph well-formed.
    pub(crate) fn replace_op(&mut self, id: NodeId, op: Op) {
        self.nodes[NodeIndex::new(id.0)].op = op;
    }

    pub(crate) fn replace_facts(&mut self, id: NodeId, facts: Vec<Fact>) {
        self.nodes[NodeIndex::new(id.0)].facts = facts;
    }

    /// The values a node reads, by port.
    pub fn inputs_of(&self, id: NodeId) -> Vec<Value> {
        let edges = self.nodes.edges_directed(NodeIndex::new(id.0), Direction::Incoming);
        let mut inputs: Vec<(usize, Value)> = edges
            .map(|e| (e.weight().port, Value { node: NodeId(e.source().index()), slot: e.weight().slot }))
            .collect();
        inputs.sort();
        inputs.into_iter().map(|(_, value)| value).collect()
    }

    /// What is known of a value.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn fact(&self, value: Value) -> Result<&Fact> {
        let node = self.nodes.node_weight(NodeIndex::new(value.node.0));
        node.and_then(|node| node.facts.get(value.slot))
            .ok_or_else(|| Error::new(format!("value {}:{}", value.node.0, value.slot), "does not exist"))
    }

    /// The facts of a node's inputs.
    ///
    /// # Panics
    /// When the graph is not well-formed; see [`check`](Self::check).
    pub fn input_facts(&self, id: NodeId) -> Vec<&Fact> {
        self.inputs_of(id).into_iter().map(|value| &self.node(value.node).facts[value.slot]).collect()
    }

    /// The nodes of data that comes with each call.
    pub fn input_ids(&self) -> Vec<NodeId> {
        self.ids().filter(|&id| matches!(self.node(id).op, Op::Input(_))).collect()
    }

    /// The nodes of trained weights.
    pub fn parameter_ids(&self) -> Vec<NodeId> {
        self.ids().filter(|&id| matches!(self.node(id).op, Op::Parameter(_))).collect()
    }

    /// Whether the graph is well-formed: nodes stand in an order in which they can run, names are unique, facts are what the operators infer, and
    /// outputs exist.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<()> {
        let mut names = std::collections::BTreeSet::new();
        for id in self.ids() {
            let node = self.node(id);
            if !names.insert(&node.name) {
                return Err(Error::new(&node.name, "the name is taken"));
            }
            let inputs = self.inputs_of(id);
            if let Some(late) = inputs.iter().find(|value| value.node >= id) {
                return Err(Error::new(
                    &node.name,
                    format!("reads node {}, which does not stand before it", late.node.0),
                ));
            }
            let facts = inputs.iter().map(|&value| self.fact(value)).collect::<Result<Vec<_>>>()?;
            if node.op.infer(&facts).map_err(|error| error.at(&node.name))? != node.facts {
                return Err(Error::new(&node.name, "facts differ from those inferred"));
            }
        }
        self.outputs.iter().try_for_each(|&value| self.fact(value).map(drop))
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From JSON, checked.
    ///
    /// # Errors
    /// When the text is not a graph, or the graph is not well-formed.
    pub fn from_json(text: &str) -> Result<Self> {
        let graph: Self = serde_json::from_str(text).map_err(|error| Error::new("graph", error.to_string()))?;
        graph.check()?;
        Ok(graph)
    }

    /// Work of one node in one phase, for `batch` samples.
    pub fn work_of(&self, id: NodeId, batch: usize, phase: Phase) -> Work {
        let inputs: Vec<Fact> = self.input_facts(id).into_iter().map(|fact| fact.at_batch(batch)).collect();
        let outputs: Vec<Fact> = self.node(id).facts.iter().map(|fact| fact.at_batch(batch)).collect();
        self.node(id).op.work(&inputs.iter().collect::<Vec<_>>(), &outputs, phase)
    }

    /// Work of the whole graph in one phase, for `batch` samples.
    pub fn work(&self, batch: usize, phase: Phase) -> Work {
        self.ids().map(|id| self.work_of(id, batch, phase)).sum()
    }

    /// Runs the graph by the operators' own slow truth.
    ///
    /// `inputs` come in the order of [`input_ids`](Self::input_ids).
    ///
    /// # Errors
    /// When a value is missing or does not fit.
    pub fn eval(&self, weights: &Weights, inputs: &[Array]) -> Result<Vec<Array>> {
        self.eval_with(weights, inputs, |_, array| array)
    }

    /// [`eval`](Self::eval) with every value passed through `change` as soon as it is there.
    ///
    /// # Errors
    /// When a value is missing or does not fit.
    pub fn eval_with(
        &self,
        weights: &Weights,
        inputs: &[Array],
        change: impl Fn(Value, Array) -> Array,
    ) -> Result<Vec<Array>> {
        let sources = self.input_ids();
        let mut values: Vec<Vec<Array>> = Vec::with_capacity(self.len());
        for id in self.ids() {
            let node = self.node(id);
            let missing = || Error::new(&node.name, "its value is missing");
            let made = match &node.op {
                Op::Input(_) => {
                    let at = sources.iter().position(|&source| source == id);
                    vec![at.and_then(|i| inputs.get(i)).ok_or_else(missing)?.clone()]
                }
                Op::Parameter(_) => vec![weights.get(&id).ok_or_else(missing)?.clone()],
                op => {
                    let operands: Vec<&Array> = self.inputs_of(id).iter().map(|v| &values[v.node.0][v.slot]).collect();
                    op.eval(&operands).map_err(|error| error.at(&node.name))?
                }
            };
            let changed = made.into_iter().enumerate().map(|(slot, array)| change(Value { node: id, slot }, array));
            values.push(changed.collect());
        }
        Ok(self.outputs.iter().map(|v| values[v.node.0][v.slot].clone()).collect())
    }
}
