//! What is known before the graph runs.
use crate::array::Array;
use crate::graph::{Graph, NodeId, Value};
use crate::operator::Operator;
use crate::operators::{Constant, Op};
use crate::patch::Patch;
use crate::phase::Phase;
use std::borrow::Cow;

/// Elements and operations that this may cost.
const MOST: f64 = 1e6;

/// Puts a constant in the place of what is computed of constants alone and does not follow the batch.
pub(super) fn rewrite(graph: &Graph, patch: &mut Patch) {
    let mut known: Vec<Option<Cow<'_, Array>>> = Vec::with_capacity(graph.len());
    let mut budget = MOST;
    for id in graph.ids() {
        let value = match &graph.node(id).op {
            Op::Constant(constant) => Some(Cow::Borrowed(&constant.value)),
            _ => computed(graph, id, &known, &mut budget).map(Cow::Owned),
        };
        known.push(value);
    }
    for (id, value) in graph.ids().zip(known) {
        if let Some(Cow::Owned(value)) = value {
            let node = graph.node(id);
            let constant = Constant { value, dtype: node.facts[0].dtype };
            let constant = patch.add(&node.name, constant, &[]);
            patch.replace(Value { node: id, slot: 0 }, constant);
            patch.remove(id);
        }
    }
}

/// What a node makes, if all that it reads is known and it costs no more than is left.
fn computed(graph: &Graph, id: NodeId, known: &[Option<Cow<'_, Array>>], budget: &mut f64) -> Option<Array> {
    let node = graph.node(id);
    let [fact] = node.facts.as_slice() else { return None };
    if node.inputs.is_empty() || fact.shape.iter().any(|dim| dim.is_batch()) {
        return None;
    }
    let inputs: Vec<&Array> = node.inputs.iter().map(|value| known[value.node.0].as_deref()).collect::<Option<_>>()?;
    let read: usize = inputs.iter().map(|input| input.data().len()).sum();
    let cost = read as f64 + fact.elements() + graph.work_of(id, 1, Phase::Forward).flops;
    if cost > *budget {
        return None;
    }
    *budget -= cost;
    node.op.eval(&inputs).ok()?.pop()
}
