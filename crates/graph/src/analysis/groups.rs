//! Layers whose channels leave together.
use super::joined::Joined;
use super::sites::Found;
use super::{Group, Verdict};
use crate::axes::{Axes, Axis};
use crate::coupling::{Part, Shape};
use crate::graph::{NodeId, Value};
use crate::operator::{Family, Operator};
use crate::operators::Op;
use std::mem::take;

/// The factors of a piece of an axis, in the order of their numbers.
type Factors = Vec<Part>;

/// A layer with weights: which channels it makes, and which it reads.
struct Layer {
    weights: NodeId,
    width: usize,
    outputs: Vec<Factors>,
    inputs: Vec<Factors>,
}

/// The weights of an operator that is a layer: the place among its inputs, and the node.
fn weights(joined: &Joined<'_>, id: NodeId) -> Option<(usize, NodeId)> {
    let node = joined.graph.node(id);
    let places: &[usize] = match (&node.op, node.op.family()) {
        (Op::Embedding(_), _) => &[0],
        (_, Family::Product) => &[1, 0],
        _ => return None,
    };
    places.iter().find_map(|&at| Some((at, source(joined, node.inputs.get(at)?.node)?)))
}

/// The parameter that moving elements alone makes a value of.
fn source(joined: &Joined<'_>, mut id: NodeId) -> Option<NodeId> {
    loop {
        let node = joined.graph.node(id);
        match (&node.op, node.op.family(), node.inputs.as_slice()) {
            (Op::Parameter(_), ..) => return Some(id),
            (_, Family::Movement, [one]) => id = one.node,
            _ => return None,
        }
    }
}

impl Layer {
    fn of(joined: &mut Joined<'_>, id: NodeId) -> Option<Self> {
        let (place, weights) = weights(joined, id)?;
        let node = joined.graph.node(id);
        let laid = joined.laid(id);
        let axes = &laid.axes;
        if axes.is_opaque() {
            return None;
        }
        let data = node.inputs.iter().copied().enumerate().find(|(at, _)| *at != place).map(|(_, value)| value)?;
        let read = axes.inputs().iter().enumerate().find(|(at, _)| *at != place).map(|(_, axes)| axes)?;
        let made = Value { node: id, slot: 0 };
        let (outputs, width) = shared(joined, axes, place, &axes.outputs()[0], made);
        let (inputs, _) = shared(joined, axes, place, read, data);
        Some(Self { weights, width, outputs, inputs })
    }

    /// Whether it makes queries, keys and values of heads.
    fn is_packed(&self, joined: &Joined<'_>) -> bool {
        let in_heads = |factors: &&Factors| heads(factors, joined).next().is_some();
        self.outputs.iter().filter(in_heads).count() >= QUERIES_KEYS_VALUES
    }
}

const QUERIES_KEYS_VALUES: usize = 3;

/// The pieces of those axes of a value that share a letter with the weights, and how long these axes are.
fn shared(joined: &mut Joined<'_>, axes: &Axes, place: usize, of: &[Axis], value: Value) -> (Vec<Factors>, usize) {
    let weights: Vec<_> = axes.inputs()[place].iter().flat_map(Axis::letters).filter(|letter| !letter.bound).collect();
    let (mut pieces, mut width) = (Vec::new(), 1);
    for (at, axis) in of.iter().enumerate() {
        if axis.letters().any(|letter| weights.contains(&letter)) {
            let part = joined.part(value, at);
            width *= joined.coupling.length(part);
            pieces.extend(products(joined, part));
        }
    }
    (pieces, width)
}

/// The pieces of a part, each as its factors that are longer than one.
fn products(joined: &mut Joined<'_>, part: Part) -> Vec<Factors> {
    let root = joined.coupling.find(part);
    if let Shape::Leaf = joined.coupling.shape(root) {
        return vec![vec![root]];
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(part) = open.pop() {
        let root = joined.coupling.find(part);
        if let Shape::Chain(parts) = joined.coupling.shape(root) {
            open.extend_from_slice(parts);
            continue;
        }
        let mut leaves = vec![Vec::new()];
        for factor in joined.coupling.factors(root) {
            leaves = extended(&leaves, &chained(joined, factor));
        }
        found.extend(leaves);
        if found.len() > MOST_PIECES {
            return Vec::new();
        }
    }
    found.iter_mut().for_each(|factors| factors.sort_unstable());
    found
}

/// More pieces of one axis than this are not told apart.
const MOST_PIECES: usize = 4096;

/// The parts of a factor; those of the products in it are taken for one.
fn chained(joined: &mut Joined<'_>, factor: Part) -> Vec<Part> {
    let mut found = Vec::new();
    let mut open = vec![factor];
    while let Some(part) = open.pop() {
        let root = joined.coupling.find(part);
        match joined.coupling.shape(root) {
            Shape::Chain(parts) if found.len() < MOST_PIECES => open.extend_from_slice(parts),
            Shape::Product(factors) => open.extend(factors.first()),
            _ => found.push(root),
        }
    }
    found
}

fn extended(all: &[Factors], by: &[Part]) -> Vec<Factors> {
    let with = |factors: &Factors| by.iter().map(|&part| [factors.as_slice(), &[part]].concat()).collect::<Vec<_>>();
    all.iter().take(MOST_PIECES / by.len().max(1) + 1).flat_map(with).collect()
}

/// Whether the channels of one piece are those of another, or made of them, or in the same heads: the factors of one are among those of the other.
fn coupled(a: &[Part], b: &[Part], joined: &Joined<'_>) -> bool {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let among = |part: &Part| many.binary_search(part).is_ok();
    few.iter().all(among) || heads(few, joined).any(|head| among(&head))
}

/// Leaves with the layers, and pieces of them, that they are in.
struct ByLeaf(Vec<(Part, u32, u32)>);

impl ByLeaf {
    fn of(layers: &[Layer], pieces: impl Fn(&Layer) -> &[Factors]) -> Self {
        let mut all = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            for (piece, factors) in pieces(layer).iter().enumerate() {
                all.extend(factors.iter().map(|&leaf| (leaf, at as u32, piece as u32)));
            }
        }
        all.sort_unstable();
        Self(all)
    }

    fn of_leaf(&self, leaf: Part) -> impl Iterator<Item = (usize, usize)> {
        let first = self.0.partition_point(|entry| entry.0 < leaf);
        let mine = self.0[first..].iter().take_while(move |entry| entry.0 == leaf);
        mine.map(|&(_, layer, piece)| (layer as usize, piece as usize))
    }
}

/// In order, each once.
fn once<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all.dedup();
    all
}

/// Projections into heads that share one weight, and the layer behind the heads, as one layer under the name of that weight, if one module holds
/// the weight and contains that layer, and reads and makes the channels of one stream: torch's `nn.MultiheadAttention`, as Torch-Pruning
/// (Fang et al., 2023) sees it.
fn with_attention_as_one(mut layers: Vec<Layer>, joined: &Joined<'_>) -> Vec<Layer> {
    let mut packed = layers.iter().enumerate().filter(|(_, layer)| layer.is_packed(joined)).peekable();
    if packed.peek().is_none() {
        return layers;
    }
    let inputs = ByLeaf::of(&layers, |layer| &layer.inputs);
    let pairs: Vec<_> = packed.filter_map(|(at, _)| Some((at, behind_heads(at, &layers, &inputs, joined)?))).collect();
    for &(at, out) in &pairs {
        layers[at].width = layers[out].width;
        layers[at].outputs = take(&mut layers[at].inputs);
    }
    let gone = once(pairs.into_iter().map(|(_, out)| out).collect());
    let kept = layers.into_iter().enumerate().filter(|(at, _)| gone.binary_search(at).is_err());
    kept.map(|(_, layer)| layer).collect()
}

/// The layer that reads the heads of a packed one, if the two are one module.
fn behind_heads(at: usize, layers: &[Layer], inputs: &ByLeaf, joined: &Joined<'_>) -> Option<usize> {
    let packed = &layers[at];
    let heads = once(packed.outputs.iter().flat_map(|factors| heads(factors, joined)).collect());
    let readers = heads.into_iter().flat_map(|head| inputs.of_leaf(head).map(|(layer, _)| layer));
    let [out] = *once(readers.collect()) else { return None };
    let name = |layer: &Layer| joined.graph.node(layer.weights).name.as_str();
    let (module, _) = name(packed).rsplit_once('.')?;
    let contained = name(&layers[out]).strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
    (contained && packed.inputs == layers[out].outputs).then_some(out)
}

/// The factors of a piece that are heads.
fn heads<'a>(factors: &'a [Part], joined: &'a Joined<'_>) -> impl Iterator<Item = Part> + 'a {
    factors.iter().copied().filter(|&part| joined.coupling.is_marked(part))
}

/// The groups of coupled channels: from every layer whose outputs no group before has, all layers that lose outputs or inputs with it.
pub(super) fn groups(joined: &mut Joined<'_>, found: &Found) -> Vec<Group> {
    let layers = joined.graph.ids().filter_map(|id| Layer::of(joined, id)).collect();
    let layers = with_attention_as_one(layers, joined);
    let outputs = ByLeaf::of(&layers, |layer| &layer.outputs);
    let inputs = ByLeaf::of(&layers, |layer| &layer.inputs);
    let mut seen = vec![false; layers.len()];
    let mut groups = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        if seen[at] {
            continue;
        }
        let met = |index: &ByLeaf, pieces: fn(&Layer) -> &[Factors]| {
            let mut met = Vec::new();
            for mine in &layer.outputs {
                let near = mine.iter().flat_map(|&leaf| index.of_leaf(leaf));
                let same = |&(other, piece): &(usize, usize)| coupled(mine, &pieces(&layers[other])[piece], joined);
                met.extend(near.filter(same).map(|(other, _)| other));
            }
            once(met)
        };
        let (out, read) = (met(&outputs, |layer| &layer.outputs), met(&inputs, |layer| &layer.inputs));
        out.iter().for_each(|&other| seen[other] = true);
        seen[at] = true;
        let names = |of: &[usize]| {
            let name = |&other: &usize| joined.graph.node(layers[other].weights).name.as_str();
            once(of.iter().map(name).collect()).into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let (fits, reason) = weigh(layer.outputs.iter().flatten().filter_map(|&leaf| found.verdict(leaf)));
        groups.push(Group { width: layer.width, out: names(&out), r#in: names(&read), fits, reason });
    }
    groups
}

/// Whether channels can be left out: whether there is a part or factor of theirs that can.
fn weigh<'a>(verdicts: impl Iterator<Item = &'a Verdict> + Clone) -> (bool, String) {
    let yes = |verdict: &&Verdict| matches!(verdict, Verdict::Sparsifiable(_));
    let first = verdicts.clone().find(yes).or_else(|| verdicts.clone().next());
    let reason = first.map_or_else(|| "a single unit".to_owned(), |verdict| verdict.reason().to_owned());
    (first.is_some_and(|verdict| yes(&verdict)), reason)
}
