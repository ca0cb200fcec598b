//! What nothing reads.
use crate::graph::Graph;
use crate::operators::Op;
use crate::patch::Patch;

/// Removes what is computed for nobody; inputs and weights stay.
pub(super) fn rewrite(graph: &Graph, patch: &mut Patch) {
    let mut readers = vec![0_usize; graph.len()];
    let inputs = graph.ids().flat_map(|id| graph.inputs_of(id));
    inputs.chain(graph.outputs()).for_each(|value| readers[value.node.0] += 1);
    for id in graph.ids().rev() {
        if readers[id.0] == 0 && !matches!(graph.node(id).op, Op::Input(_) | Op::Parameter(_)) {
            patch.remove(id);
            graph.inputs_of(id).iter().for_each(|value| readers[value.node.0] -= 1);
        }
    }
}
