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
use petgraph::algo::toposort;
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

/// The nodes `0..count` in an order in which each comes behind all that it reads, as near to the order of their numbers as that allows, from the pairs of
/// a reader and what it reads, all below `count`.
///
/// # Errors
/// A node of a cycle.
pub(crate) fn order(count: usize, reads: impl Iterator<Item = (NodeId, NodeId)>) -> Result<Vec<usize>, NodeId> {
    let mut wired = DiGraph::<(), ()>::with_capacity(count, reads.size_hint().0);
    (0..count).for_each(|_| _ = wired.add_node(()));
    wired.extend_with_edges(reads.map(|(reader, read)| (NodeIndex::from(reader), NodeIndex::from(read))));
    let order = toposort(&wired, None).map_err(|cycle| NodeId::from(cycle.node_id()))?;
    Ok(order.into_iter().rev().map(NodeIndex::index).collect())
}

#[cfg(test)]
mod tests {
    use super::{NodeId, order};

    fn ordered(count: usize, reads: &[(usize, usize)]) -> Result<Vec<usize>, NodeId> {
        order(count, reads.iter().map(|&(reader, read)| (NodeId(reader), NodeId(read))))
    }

    #[test]
    fn what_is_in_order_stays_and_the_rest_moves_no_further_than_it_must() {
        assert_eq!(ordered(4, &[(1, 0), (3, 1), (3, 2)]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(ordered(5, &[(1, 4), (4, 0), (2, 1), (4, 3)]), Ok(vec![0, 3, 4, 1, 2]));
        assert_eq!(ordered(0, &[]), Ok(Vec::new()));
    }

    #[test]
    fn a_cycle_is_told_by_one_of_its_nodes() {
        assert_eq!(ordered(2, &[(1, 1)]), Err(NodeId(1)));
        assert!(matches!(ordered(5, &[(1, 0), (2, 1), (3, 2), (1, 3), (4, 3)]), Err(NodeId(1..=3))));
    }
}
