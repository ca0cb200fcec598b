//! Blocks of a layer's weights: which there are, and which stay at a density.
use crate::array::Array;
use crate::density::Density;
use crate::graph::{Graph, NodeId};
use crate::kind::SparsityKind;
use crate::kinds::{Block, Kind};
use crate::operators::Op;
use serde::Serialize;

/// Output channels of a block.
pub const HEIGHT: usize = 8;

/// More positions have no index of 16 bits.
const MOST_POSITIONS: usize = 1 << 16;

/// A layer whose weights can be left out in blocks of [`HEIGHT`] output channels of one group by one *position*: an input of a linear layer, an input
/// channel and an element of the kernel of a convolution. Every row of blocks keeps as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Blocked {
    /// The linear layer or convolution.
    pub layer: NodeId,
    /// Its weights.
    pub weight: NodeId,
}

impl Blocked {
    /// The layers of a graph with blocks to leave out, in order: those that alone read their weights and have at least [`HEIGHT`] outputs.
    pub(crate) fn all(graph: &Graph) -> Vec<Self> {
        let mut readers = vec![0u32; graph.len()];
        graph.ids().flat_map(|id| graph.inputs_of(id)).for_each(|value| readers[value.node.0] += 1);
        graph.outputs().iter().for_each(|value| readers[value.node.0] += 1);
        graph.ids().filter_map(|id| Self::of(graph, id)).filter(|found| readers[found.weight.0] == 1).collect()
    }

    fn of(graph: &Graph, layer: NodeId) -> Option<Self> {
        let weight = graph.inputs_of(layer).get(1)?.node;
        let node = graph.node(weight);
        let layout = Layout::of(&graph.node(layer).op, &node.facts.first()?.shape_at(1))?;
        let fits = layout.outputs >= HEIGHT && (2..=MOST_POSITIONS).contains(&layout.positions);
        (fits && matches!(node.op, Op::Parameter(_))).then_some(Self { layer, weight })
    }
}

/// Where the weight of an output at a position stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub groups: usize,
    /// Outputs of a group.
    pub outputs: usize,
    /// Weights of an output.
    pub positions: usize,
    by_output: usize,
    by_position: usize,
}

impl Layout {
    /// That of an operator with weights of this shape.
    pub fn of(op: &Op, shape: &[usize]) -> Option<Self> {
        match (op, shape) {
            (Op::Linear(_), &[positions, outputs]) => {
                Some(Self { groups: 1, outputs, positions, by_output: 1, by_position: outputs })
            }
            (Op::Conv(conv), [outputs, row @ ..]) if (2..=3).contains(&row.len()) => {
                let positions = row.iter().product();
                let outputs = outputs / conv.groups.max(1);
                Some(Self { groups: conv.groups, outputs, positions, by_output: positions, by_position: 1 })
            }
            _ => None,
        }
    }

    fn at(&self, output: usize, position: usize) -> usize {
        output * self.by_output + position * self.by_position
    }

    /// Sets to zero what is left out of each row of blocks: a block's importance is the sum of its magnitudes.
    pub fn mask(&self, weights: &mut Array, keep: Density) {
        let data = weights.data_mut();
        for group in 0..self.groups {
            let outputs = group * self.outputs..(group + 1) * self.outputs;
            for first in outputs.clone().step_by(HEIGHT) {
                let rows = first..(first + HEIGHT).min(outputs.end);
                let score = |position| rows.clone().map(|o| data[self.at(o, position)].abs()).sum::<f32>();
                let scores: Vec<f64> = (0..self.positions).map(|position| f64::from(score(position))).collect();
                let mask = Kind::Block(Block).mask(&scores, keep);
                for (position, _) in mask.0.iter().enumerate().filter(|(_, keep)| !**keep) {
                    rows.clone().for_each(|o| data[self.at(o, position)] = 0.0);
                }
            }
        }
    }
}
