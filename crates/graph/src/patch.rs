//! Changes to a graph that are made as a whole or not at all.
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId, Value, Weights};
use crate::operators::Op;
use crate::order::order;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be added to a graph, what reads something else from then on, and what goes: a plan, which changes nothing by itself.
///
/// The idea is that of tract's `ModelPatch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    first: usize,
    added: Vec<Added>,
    replaced: BTreeMap<Value, Value>,
    removed: BTreeSet<NodeId>,
}

/// An operator to come.
#[derive(Clone, Debug, PartialEq)]
struct Added {
    name: String,
    op: Op,
    inputs: Vec<Value>,
}

/// A graph after a patch, and where its nodes were before.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The graph.
    pub graph: Graph,
    /// The node that each node of the patched graph is now; `None` when it is gone.
    pub moved: Vec<Option<NodeId>>,
}

impl Patched {
    /// The values of parameters, under the nodes that they have now.
    pub fn weights(&self, weights: Weights) -> Weights {
        let now = |id: NodeId| self.moved.get(id.0).copied().flatten();
        weights.into_iter().filter_map(|(id, array)| Some((now(id)?, array))).collect()
    }
}

impl Patch {
    /// A patch for `graph` that changes nothing yet.
    pub fn of(graph: &Graph) -> Self {
        Self { first: graph.len(), added: Vec::new(), replaced: BTreeMap::new(), removed: BTreeSet::new() }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.replaced.is_empty() && self.removed.is_empty()
    }

    /// Adds an operator that reads values of the graph as it was, or of operators added before; gives its first output.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[Value]) -> Value {
        self.added.push(Added { name: name.into(), op: op.into(), inputs: inputs.to_vec() });
        Value { node: NodeId(self.first + self.added.len() - 1), slot: 0 }
    }

    /// Whatever in the graph reads `old`, outputs included, reads `new` instead; added operators read what they were given, unless that is removed.
    pub fn replace(&mut self, old: Value, new: Value) {
        self.replaced.insert(old, new);
    }

    /// Takes a node away, which nothing may read any more.
    pub fn remove(&mut self, id: NodeId) {
        self.removed.insert(id);
    }

    /// The graph with these changes. Nodes that stay keep their order, as far as what they read allows it.
    ///
    /// # Errors
    /// When the patch was made for another graph, a value is replaced by one with other facts, something reads what is removed, a cycle
    /// comes about, or the result is not well-formed. The graph itself is as it was.
    pub fn apply(&self, graph: &Graph) -> Result<Patched> {
        self.check_bounds(graph)?;
        let inputs: Vec<Vec<Value>> = (0..self.len()).map(|at| self.inputs(graph, at)).collect();
        let mut moved = vec![None; self.len()];
        let mut patched = Graph::new(graph.name());
        for at in self.order(graph, &inputs)? {
            let inputs = inputs[at].iter().map(|&value| self.now(value, &moved, graph)).collect::<Result<Vec<_>>>()?;
            let (name, op) = self.node(graph, at);
            moved[at] = Some(patched.add(name, op.clone(), &inputs)?.node);
        }
        let outputs = graph.outputs().iter().map(|&value| self.now(self.target(value), &moved, graph));
        patched.set_outputs(outputs.collect::<Result<_>>()?);
        self.check_facts(graph, &patched, &moved)?;
        patched.check()?;
        moved.truncate(self.first);
        Ok(Patched { graph: patched, moved })
    }

    /// Nodes before and added ones.
    fn len(&self) -> usize {
        self.first + self.added.len()
    }

    fn node<'a>(&'a self, graph: &'a Graph, at: usize) -> (&'a str, &'a Op) {
        match at.checked_sub(self.first) {
            Some(at) => (&self.added[at].name, &self.added[at].op),
            None => {
                let Node { name, op, .. } = graph.node(NodeId(at));
                (name, op)
            }
        }
    }

    /// What a node reads from now on.
    fn inputs(&self, graph: &Graph, at: usize) -> Vec<Value> {
        match at.checked_sub(self.first) {
            Some(at) => self.added[at].inputs.iter().map(|&value| self.source(value)).collect(),
            None => graph.inputs_of(NodeId(at)).iter().map(|&value| self.target(value)).collect(),
        }
    }

    /// What an added operator reads that was given a value.
    fn source(&self, value: Value) -> Value {
        if self.removed.contains(&value.node) { self.target(value) } else { value }
    }

    /// What stands for a value from now on.
    fn target(&self, value: Value) -> Value {
        self.replaced.get(&value).copied().unwrap_or(value)
    }

    fn check_bounds(&self, graph: &Graph) -> Result<()> {
        if graph.len() != self.first {
            let what = format!("a graph of {} nodes, expected {}", graph.len(), self.first);
            return Err(Error::new("patch", what));
        }
        let read = self.added.iter().flat_map(|added| &added.inputs).chain(self.replaced.values());
        match read.map(|value| value.node).find(|node| node.0 >= self.len()) {
            Some(node) => Err(Error::new("patch", format!("reads node {}, which does not exist", node.0))),
            None => Ok(()),
        }
    }

    /// The nodes that stay, in an order in which they can run.
    fn order(&self, graph: &Graph, inputs: &[Vec<Value>]) -> Result<Vec<usize>> {
        let is_gone = |id: NodeId| self.removed.contains(&id);
        let staying = (0..inputs.len()).filter(|&at| !is_gone(NodeId(at)));
        let reads = staying.flat_map(|at| inputs[at].iter().map(move |value| (at, value.node.0)));
        if let Some((reader, read)) = reads.clone().find(|&(_, read)| is_gone(NodeId(read))) {
            let what = format!("reads {}, which is removed", self.node(graph, read).0);
            return Err(Error::new(self.node(graph, reader).0, what));
        }
        let stuck = |at: usize| Error::new(self.node(graph, at).0, "reads what comes after it");
        let order = order(inputs.len(), reads).map_err(stuck)?;
        Ok(order.into_iter().filter(|&at| !is_gone(NodeId(at))).collect())
    }

    /// A value in the patched graph.
    fn now(&self, value: Value, moved: &[Option<NodeId>], graph: &Graph) -> Result<Value> {
        let gone = || Error::new(self.node(graph, value.node.0).0, "is removed, and still read");
        Ok(Value { node: moved[value.node.0].ok_or_else(gone)?, ..value })
    }

    /// Whether what stands for other values is like them.
    fn check_facts(&self, graph: &Graph, patched: &Graph, moved: &[Option<NodeId>]) -> Result<()> {
        for (&old, &new) in &self.replaced {
            let (before, after) = (graph.fact(old)?, patched.fact(self.now(new, moved, graph)?)?);
            if before != after {
                let what = format!("{after} in place of {before}");
                return Err(Error::new(self.node(graph, old.node.0).0, what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Graph, NodeId, Patch, Value};
    use crate::array::Array;
    use crate::fact::Fact;
    use crate::operators::{Binary, BinaryFunction, Scalar, Unary, UnaryFunction};

    /// `relu(x) + w`
    fn graph() -> (Graph, [Value; 4]) {
        let mut graph = Graph::new("sum");
        let x = graph.input("x", Fact::fixed(&[2])).unwrap();
        let w = graph.parameter("w", Fact::fixed(&[2])).unwrap();
        let h = graph.add("h", Unary { function: UnaryFunction::Relu }, &[x]).unwrap();
        let y = graph.add("y", Binary { function: BinaryFunction::Add }, &[h, w]).unwrap();
        graph.set_outputs(vec![y]);
        (graph, [x, w, h, y])
    }

    #[test]
    fn what_is_added_comes_before_those_that_read_it() {
        let (graph, [_, w, h, _]) = graph();
        let mut patch = Patch::of(&graph);
        let twice = patch.add("twice", Scalar { scale: 2.0, shift: 0.0 }, &[h]);
        patch.replace(h, twice);
        let patched = patch.apply(&graph).unwrap();
        let names: Vec<&str> = patched.graph.ids().map(|id| patched.graph.node(id).name.as_str()).collect();
        assert_eq!(names, ["x", "w", "h", "twice", "y"]);
        let weights = patched.weights([(w.node, Array::full(&[2], 1.0))].into());
        let y = patched.graph.eval(&weights, &[Array::new(vec![2], vec![3.0, -3.0]).unwrap()]).unwrap();
        assert_eq!(y[0].data(), [7.0, 1.0]);
    }

    #[test]
    fn what_is_removed_is_gone_with_its_weights() {
        let (graph, [_, w, h, y]) = graph();
        let mut patch = Patch::of(&graph);
        patch.replace(y, h);
        patch.remove(y.node);
        patch.remove(w.node);
        let patched = patch.apply(&graph).unwrap();
        assert_eq!(patched.graph.len(), 2);
        assert!(patched.weights([(w.node, Array::full(&[2], 1.0))].into()).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let (graph, [x, w, h, y]) = graph();
        let before = graph.clone();
        let refused = |make: &dyn Fn(&mut Patch)| {
            let mut patch = Patch::of(&graph);
            make(&mut patch);
            patch.apply(&graph).unwrap_err().to_string()
        };
        assert!(refused(&|patch| patch.remove(h.node)).contains("reads h, which is removed"));
        assert!(refused(&|patch| patch.remove(y.node)).contains("is removed, and still read"));
        assert!(refused(&|patch| patch.replace(x, y)).contains("reads what comes after it"));
        assert!(refused(&|patch| patch.replace(w, Value { node: NodeId(9), slot: 0 })).contains("does not exist"));
        assert!(refused(&|patch| patch.replace(w, Value { slot: 5, ..x })).contains("does not exist"));
        let taken = |patch: &mut Patch| _ = patch.add("x", Scalar { scale: 1.0, shift: 0.0 }, &[x]);
        assert!(refused(&taken).contains("is taken"));
        let mut other = Patch::of(&Graph::new("other"));
        other.remove(NodeId(0));
        assert!(other.apply(&graph).unwrap_err().to_string().contains("a graph of 4 nodes"));
        assert_eq!(graph, before);
    }
}
