//! What nothing reads.
use crate::graph::{Graph, NodeId};
use crate::operators::Op;
use crate::patch::Patch;
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};

/// Removes what is computed for nobody; inputs and weights stay.
pub(super) fn rewrite(graph: &Graph, patch: &mut Patch) {
    let wired = graph.petgraph();
    let back = Reversed(&wired);
    let mut needed = Dfs::empty(back);
    needed.stack.extend(graph.outputs().iter().map(|value| NodeIndex::from(value.node)));
    while needed.next(back).is_some() {}
    let is_needed = |id: NodeId| needed.discovered.contains(id.0);
    let stays = |id: &NodeId| is_needed(*id) || matches!(graph.node(*id).op, Op::Input(_) | Op::Parameter(_));
    graph.ids().filter(|id| !stays(id)).for_each(|id| patch.remove(id));
}
