//! Within a layer's weights: which blocks there are, and which stay at a density.
use crate::array::Array;
use crate::graph::{Graph, NodeId};
use crate::kind::SparsityKind;
use crate::kinds::{Block, Kind, Pattern, Unstructured};
use crate::operators::Op;
use crate::setting::Choice;
use serde::Serialize;
use std::ops::Range;

/// Output channels of a block of [`Kind::Block`].
pub const HEIGHT: usize = 8;

/// The kinds that leave out something within weights.
pub const WITHIN: [Kind; 3] = [Kind::Block(Block), Kind::Pattern(Pattern), Kind::Unstructured(Unstructured)];

/// Output channels that leave together when a kind leaves out something within weights: one where it takes single weights.
pub fn height(kind: Kind) -> usize {
    if kind == Kind::Block(Block) { HEIGHT } else { 1 }
}

/// More positions have no index of 16 bits.
const MOST_POSITIONS: usize = 1 << 16;

/// A layer whose weights can be left out in blocks of [`height`] output channels of one group by one *position*: an input of a linear layer, an input
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

    /// Sums of `values`, one for each of the `weights`, over the blocks of a kind that leave together: those of every row that stay longest first. What a
    /// density leaves out stands behind what it keeps.
    pub fn ranked(&self, graph: &Graph, kind: Kind, weights: &Array, values: &Array) -> Vec<f64> {
        let Some(layout) = Layout::of(&graph.node(self.layer).op, weights.shape()) else { return Vec::new() };
        let mut sums = vec![0.0; layout.positions];
        for outputs in layout.rows(height(kind)) {
            let order = kind.order(&layout.scores(weights.data(), &outputs));
            for (sum, position) in sums.iter_mut().zip(order) {
                *sum += outputs.clone().map(|o| f64::from(values.data()[layout.at(o, position)])).sum::<f64>();
            }
        }
        sums
    }

    /// Blocks of a row, and the kinds that fit.
    pub(crate) fn fits(&self, graph: &Graph) -> (usize, Vec<Kind>) {
        let shape = graph.node(self.weight).facts[0].shape_at(1);
        let positions = Layout::of(&graph.node(self.layer).op, &shape).map_or(0, |layout| layout.positions);
        let fits = |kind: &Kind| *kind == Kind::Block(Block) || kind.fits(positions, 1);
        (positions, WITHIN.into_iter().filter(fits).collect())
    }

    fn of(graph: &Graph, layer: NodeId) -> Option<Self> {
        let weight = graph.inputs_of(layer).get(1)?.node;
        let node = graph.node(weight);
        matches!(node.op, Op::Parameter(_)).then_some(())?;
        let layout = Layout::of(&graph.node(layer).op, &node.facts.first()?.shape_at(1))?;
        let fits = layout.outputs >= HEIGHT && (2..=MOST_POSITIONS).contains(&layout.positions);
        fits.then_some(Self { layer, weight })
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

    /// Sets to zero what a choice leaves out of each row of blocks: a block's importance is the sum of its magnitudes.
    pub fn mask(&self, weights: &mut Array, Choice { kind, density }: Choice) {
        let data = weights.data_mut();
        for outputs in self.rows(height(kind)) {
            let mask = kind.mask(&self.scores(data, &outputs), density);
            for (position, _) in mask.0.iter().enumerate().filter(|(_, keep)| !**keep) {
                outputs.clone().for_each(|o| data[self.at(o, position)] = 0.0);
            }
        }
    }

    /// The outputs of every row of blocks.
    fn rows(&self, height: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let size = self.outputs;
        let firsts =
            (0..self.groups).flat_map(move |group| (0..size).step_by(height).map(move |at| (group * size, at)));
        firsts.map(move |(group, at)| group + at..group + (at + height).min(size))
    }

    /// The importance of the blocks of a row.
    fn scores(&self, weights: &[f32], outputs: &Range<usize>) -> Vec<f64> {
        let score = |position| outputs.clone().map(|o| weights[self.at(o, position)].abs()).sum::<f32>();
        (0..self.positions).map(|position| f64::from(score(position))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::Density;
    use crate::fact::{Dim, Fact};
    use crate::operators::Conv;

    #[test]
    fn what_a_density_leaves_out_stands_behind_what_it_keeps() {
        let mut graph = Graph::new("groups");
        let x = graph.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(5), Dim::Fixed(5)])).unwrap();
        let w = graph.parameter("w", Fact::fixed(&[20, 2, 3, 3])).unwrap();
        let y = graph.add("conv", Conv { groups: 2, ..Conv::new(2) }, &[x, w]).unwrap();
        graph.set_outputs(vec![y]);
        let [blocked] = *Blocked::all(&graph) else { panic!("one layer") };
        let mut at = 0u32;
        let weights = Array::from_fn(&[20, 2, 3, 3], |_| {
            at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (at >> 16) as f32 / 65_536.0 - 0.5
        });
        let magnitudes =
            Array::new(weights.shape().to_vec(), weights.data().iter().map(|w| w.abs()).collect()).unwrap();
        let layout = Layout::of(&graph.node(blocked.layer).op, weights.shape()).unwrap();
        for kind in WITHIN {
            let ranked = blocked.ranked(&graph, kind, &weights, &magnitudes);
            for density in [1, 250, 500, 1000].map(|n| Density::new(n).unwrap()) {
                let mut masked = weights.clone();
                layout.mask(&mut masked, Choice { kind, density });
                let kept: f64 = masked.data().iter().map(|w| f64::from(w.abs())).sum();
                assert!((ranked[..kind.kept(18, density)].iter().sum::<f64>() - kept).abs() < 1e-6, "{kind:?}");
            }
        }
    }
}
