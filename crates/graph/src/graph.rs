//! The computation graph.
use crate::array::Array;
use crate::error::{Error, Result};
use crate::fact::Fact;
use crate::operator::Operator;
use crate::operators::{Input, Op, Parameter};
use crate::order::order;
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The values that it reads.
    pub inputs: Vec<Value>,
    /// What is known of its outputs.
    pub facts: Vec<Fact>,
}

/// A computation: nodes in an order in which they can run, with named inputs and outputs.
///
/// A graph that is read from a file is put in such an order, and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Graph {
    name: String,
    nodes: Vec<Node>,
    outputs: Vec<Value>,
    taken: BTreeSet<u64>,
}

/// A graph as it is stored, unchecked.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    nodes: Vec<Node>,
    outputs: Vec<Value>,
}

impl From<Graph> for Stored {
    fn from(graph: Graph) -> Self {
        Self { name: graph.name, nodes: graph.nodes, outputs: graph.outputs }
    }
}

impl TryFrom<Stored> for Graph {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let stored = stored.in_order()?;
        let taken = stored.nodes.iter().map(|node| hash(&node.name)).collect();
        let graph = Self { name: stored.name, nodes: stored.nodes, outputs: stored.outputs, taken };
        graph.check()?;
        Ok(graph)
    }
}

impl Stored {
    /// The nodes in an order in which they can run: as they are, if they stand in one.
    fn in_order(mut self) -> Result<Self> {
        let reads =
            self.nodes.iter().enumerate().flat_map(|(at, node)| node.inputs.iter().map(move |v| (at, v.node.0)));
        if reads.clone().all(|(reader, read)| read < reader) {
            return Ok(self);
        }
        if let Some((reader, read)) = reads.clone().find(|&(_, read)| read >= self.nodes.len()) {
            return Err(Error::new(&self.nodes[reader].name, format!("reads node {read}, which does not exist")));
        }
        let cycle = |at: usize| Error::new(&self.nodes[at].name, "reads what is made of its own outputs: a cycle");
        let order = order(self.nodes.len(), reads).map_err(cycle)?;
        let mut now = vec![NodeId(0); order.len()];
        order.iter().enumerate().for_each(|(new, &old)| now[old] = NodeId(new));
        let read = self.nodes.iter_mut().flat_map(|node| &mut node.inputs).chain(&mut self.outputs);
        read.for_each(|value| value.node = now.get(value.node.0).copied().unwrap_or(value.node));
        let mut nodes: Vec<(NodeId, Node)> = now.into_iter().zip(self.nodes).collect();
        nodes.sort_unstable_by_key(|(id, _)| *id);
        Ok(Self { nodes: nodes.into_iter().map(|(_, node)| node).collect(), ..self })
    }
}

/// FNV-1a, 64 bits: the same on every machine.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Most elements of one value, a batch axis counted for one sample: whole numbers up to it are exact as floats.
const MOST_ELEMENTS: f64 = 9_007_199_254_740_992.0;

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
        if self.taken.contains(&hash(&name)) && self.nodes.iter().any(|node| node.name == name) {
            return Err(Error::new(name, "the name is taken"));
        }
        let facts = inputs.iter().map(|&value| self.fact(value)).collect::<Result<Vec<_>>>()?;
        let facts = op.infer(&facts).map_err(|error| error.at(&name))?;
        self.taken.insert(hash(&name));
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), facts });
        Ok(Value { node: NodeId(self.nodes.len() - 1), slot: 0 })
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
        self.nodes.len()
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
        &self.nodes[id.0]
    }

    /// The values that a node makes.
    pub fn outputs_of(&self, id: NodeId) -> impl DoubleEndedIterator<Item = Value> + use<> {
        (0..self.node(id).facts.len()).map(move |slot| Value { node: id, slot })
    }

    /// Puts another operator in a node's place; the caller keeps the graph well-formed.
    pub(crate) fn replace(&mut self, id: NodeId, op: Op, facts: Vec<Fact>) {
        let node = &mut self.nodes[id.0];
        (node.op, node.facts) = (op, facts);
    }

    /// The values a node reads, in order.
    pub fn inputs_of(&self, id: NodeId) -> &[Value] {
        &self.node(id).inputs
    }

    /// What is known of a value.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn fact(&self, value: Value) -> Result<&Fact> {
        let node = self.nodes.get(value.node.0);
        node.and_then(|node| node.facts.get(value.slot))
            .ok_or_else(|| Error::new(format!("value {}:{}", value.node.0, value.slot), "does not exist"))
    }

    /// The facts of a node's inputs.
    ///
    /// # Panics
    /// When the graph is not well-formed; see [`check`](Self::check).
    pub fn input_facts(&self, id: NodeId) -> Vec<&Fact> {
        self.inputs_of(id).iter().map(|value| &self.node(value.node).facts[value.slot]).collect()
    }

    /// The nodes of data that comes with each call.
    pub fn input_ids(&self) -> Vec<NodeId> {
        self.ids().filter(|&id| matches!(self.node(id).op, Op::Input(_))).collect()
    }

    /// The nodes of trained weights.
    pub fn parameter_ids(&self) -> Vec<NodeId> {
        self.ids().filter(|&id| matches!(self.node(id).op, Op::Parameter(_))).collect()
    }

    /// Whether the graph is well-formed: nodes stand in an order in which they can run, names are unique, facts are what the operators infer, no
    /// value has more elements than can be counted, and outputs exist.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<()> {
        self.check_names()?;
        let mut facts = Vec::new();
        for id in self.ids() {
            let node = self.node(id);
            facts.clear();
            for value in &node.inputs {
                if value.node >= id {
                    let what = format!("reads node {}, which does not stand before it", value.node.0);
                    return Err(Error::new(&node.name, what));
                }
                facts.push(self.fact(*value).map_err(|error| error.at(&node.name))?);
            }
            if node.op.infer(&facts).map_err(|error| error.at(&node.name))? != node.facts {
                return Err(Error::new(&node.name, "facts differ from those inferred"));
            }
            if let Some(large) = node.facts.iter().find(|fact| fact.elements() > MOST_ELEMENTS) {
                return Err(Error::new(&node.name, format!("{large} has more elements than can be counted")));
            }
        }
        self.outputs.iter().try_for_each(|&value| self.fact(value).map(drop))
    }

    /// Whether no two nodes have the same name.
    fn check_names(&self) -> Result<()> {
        let mut hashes: Vec<(u64, NodeId)> = self.ids().map(|id| (hash(&self.node(id).name), id)).collect();
        hashes.sort_unstable();
        for same in hashes.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let names: BTreeSet<&str> = same.iter().map(|(_, id)| self.node(*id).name.as_str()).collect();
            if names.len() < same.len() {
                return Err(Error::new(&self.node(same[1].1).name, "the name is taken"));
            }
        }
        Ok(())
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
        serde_json::from_str(text).map_err(|error| Error::new("graph", error.to_string()))
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

    /// The number of samples in these inputs, which fit what the graph says of them; one where nothing follows the batch.
    fn batch_of(&self, inputs: &[Array]) -> Result<usize> {
        let mut batch = None;
        for (id, array) in self.input_ids().into_iter().zip(inputs) {
            let node = self.node(id);
            let found = node.facts[0].samples(array.shape()).map_err(|error| error.at(&node.name))?;
            if let (Some(samples), Some(before)) = (found, batch)
                && samples != before
            {
                return Err(Error::new(&node.name, format!("{samples} samples, {before} in another input")));
            }
            batch = batch.or(found);
        }
        Ok(batch.unwrap_or(1))
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
        let batch = self.batch_of(inputs)?;
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
                    let operands: Vec<&Array> = node.inputs.iter().map(|v| &values[v.node.0][v.slot]).collect();
                    op.eval_at(&operands, batch).map_err(|error| error.at(&node.name))?
                }
            };
            let changed = made.into_iter().enumerate().map(|(slot, array)| change(Value { node: id, slot }, array));
            values.push(changed.collect());
        }
        Ok(self.outputs.iter().map(|v| values[v.node.0][v.slot].clone()).collect())
    }
}
