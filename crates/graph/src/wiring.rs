//! Who reads whom: a graph as petgraph has it, to run any of its algorithms on.
//!
//! ```
//! use petgraph::algo::{dominators::simple_fast, has_path_connecting, is_cyclic_directed};
//! use petgraph::dot::{Config, Dot};
//! use supple_graph::operators::{Binary, BinaryFunction, Unary, UnaryFunction};
//! use supple_graph::{Fact, Graph, NodeId};
//!
//! # fn main() -> supple_graph::Result<()> {
//! let mut graph = Graph::new("residual");
//! let x = graph.input("x", Fact::fixed(&[4]))?;
//! let h = graph.add("relu", Unary { function: UnaryFunction::Relu }, &[x])?;
//! let y = graph.add("sum", Binary { function: BinaryFunction::Add }, &[h, x])?;
//! graph.set_outputs(vec![y]);
//!
//! let wired = graph.petgraph();
//! assert!(!is_cyclic_directed(&wired));
//! assert!(has_path_connecting(&wired, x.node.into(), y.node.into(), None));
//! let dominators = simple_fast(&wired, x.node.into());
//! assert_eq!(dominators.immediate_dominator(y.node.into()).map(NodeId::from), Some(x.node));
//! let named = wired.map(|_, node| node.name.as_str(), |_, value| value.slot);
//! println!("{}", Dot::with_config(&named, &[Config::EdgeNoLabel]));
//! # Ok(())
//! # }
//! ```
use crate::graph::{Graph, Node, NodeId, Value};
use petgraph::graph::{DiGraph, NodeIndex};

impl From<NodeIndex> for NodeId {
    fn from(index: NodeIndex) -> Self {
        Self(index.index())
    }
}

impl From<NodeId> for NodeIndex {
    fn from(id: NodeId) -> Self {
        Self::new(id.0)
    }
}

impl Graph {
    /// The graph as petgraph has it: every node under its own number, and an edge from each node to every node that reads a value of it, once for each
    /// time that it is read.
    pub fn petgraph(&self) -> DiGraph<&Node, Value> {
        let mut wired = DiGraph::with_capacity(self.len(), self.ids().map(|id| self.inputs_of(id).len()).sum());
        self.ids().for_each(|id| _ = wired.add_node(self.node(id)));
        for id in self.ids() {
            self.inputs_of(id).iter().for_each(|&value| _ = wired.add_edge(value.node.into(), id.into(), value));
        }
        wired
    }
}
