//! From joined axes to sites.
use super::joined::Joined;
use super::places::{Piece, pieces};
use super::{Member, Site, Verdict, Within};
use crate::blocks::{Blocked, HEIGHT};
use crate::coupling::Part;
use crate::fact::Dim;
use crate::graph::{Graph, NodeId, Value};
use crate::kind::SparsityKind;
use crate::kinds::{Channel, Head, Kind, Score, Threshold, TopK};
use crate::near::Near;
use crate::operators::Op;
use std::mem::take;

/// Sites that overlap in one axis: more than this are not weighed against each other.
const MOST_OVERLAPS: usize = 64;

/// No site.
const NONE: u32 = u32::MAX;

/// A site in the making.
struct Draft {
    leaf: Part,
    members: Vec<Member>,
    /// Which member is the first in weights, and how many are.
    first: Option<u32>,
    weights: u32,
    /// How often all units stand in the axis where they do so most often.
    repeats: usize,
    /// Whether an axis has more than one element.
    lengthy: bool,
    nested: bool,
    crowded: bool,
    /// Sites whose units lie inside of its own, or around them.
    overlaps: Vec<u32>,
    level: Level,
}

impl Draft {
    fn of(leaf: Part) -> Self {
        Self {
            leaf,
            members: Vec::with_capacity(1),
            first: None,
            weights: 0,
            repeats: 0,
            lengthy: false,
            nested: false,
            crowded: false,
            overlaps: Vec::new(),
            level: Level::Feature,
        }
    }

    fn add(&mut self, piece: &Piece, level: Level, weights: bool) {
        if weights {
            self.first.get_or_insert(self.members.len() as u32);
            self.weights += 1;
        }
        self.members.push(piece.member);
        self.repeats = self.repeats.max(piece.member.repeats);
        self.nested |= piece.nested;
        self.level = self.level.max(level);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Feature,
    Neuron,
    Channel,
    Head,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Neuron => "neuron",
            Self::Channel => "channel",
            Self::Head => "head",
        }
    }

    /// What the axes of an operator's output count.
    fn of(op: &Op) -> Self {
        match op {
            Op::Conv(_) | Op::ConvTranspose(_) => Self::Channel,
            Op::Linear(_) | Op::Gemm(_) | Op::Matmul(_) => Self::Neuron,
            _ => Self::Feature,
        }
    }
}

/// The sites of a graph, in the order of the weights.
pub(super) struct Found {
    sites: Vec<Option<Site>>,
    by_leaf: Vec<u32>,
}

impl Found {
    pub fn of(joined: &mut Joined<'_>) -> Self {
        let mut drafts = Drafts::of_weights(joined);
        drafts.add_members(joined);
        let chosen = drafts.choose(joined);
        let mut sites: Vec<Option<Site>> = (0..chosen.len()).map(|at| drafts.site(at, &chosen, joined)).collect();
        for (site, draft) in sites.iter_mut().zip(&mut drafts.all) {
            site.iter_mut().for_each(|site| site.members = take(&mut draft.members));
        }
        Self { sites, by_leaf: drafts.by_leaf }
    }

    /// Whether units of a leaf can be left out, and why (not); `None` for one without a site.
    pub fn verdict(&self, leaf: Part) -> Option<&Verdict> {
        let at = *self.by_leaf.get(leaf.index())?;
        Some(&self.sites.get(at as usize)?.as_ref()?.verdict)
    }

    pub fn into_sites(self) -> impl Iterator<Item = Site> {
        self.sites.into_iter().flatten()
    }
}

/// A site within a layer.
fn within(place: Within, (name, level, units): (String, &'static str, usize), kinds: Vec<Kind>, why: &str) -> Site {
    let verdict = Verdict::Sparsifiable(why.to_owned());
    Site { name, level, units, kinds, members: Vec::new(), within: Some(place), verdict }
}

/// The site within the weights of a layer.
pub(super) fn weights(graph: &Graph, blocked: Blocked) -> Site {
    let (units, kinds) = blocked.fits(graph);
    let name = graph.node(blocked.weight).name.clone();
    let why = "a weight that is zero adds nothing to the sum that it stands in";
    within(Within::Weights(blocked), (name, "vector", units), kinds, why)
}

/// The sites of what linear layers with weights of their own read, where it is wide enough.
pub(super) fn inputs(graph: &Graph) -> impl Iterator<Item = Site> {
    let site = |id: NodeId| {
        let (weight, units) = inputs_of(graph, id)?;
        let why = "an activation that is zero adds nothing to the sums that it stands in";
        let what = (format!("{weight}.inputs"), "activation", units);
        (units >= HEIGHT).then(|| within(Within::Inputs(id), what, vec![Kind::Threshold(Threshold)], why))
    };
    graph.ids().filter_map(site)
}

/// The sites of gradients: of all linear layers, and convolutions of one group over one or two axes, with weights of their own whose output is not the
/// model's, and is wide enough.
pub(super) fn gradients(graph: &Graph) -> impl Iterator<Item = Site> {
    let is_output = |id: NodeId| graph.outputs().iter().any(|value| value.node == id);
    let site = |id: NodeId| {
        let (weight, units) = outputs_of(graph, id)?;
        let why = "an output whose gradient is zero adds nothing to either product behind it";
        let what = (format!("{weight}.gradient"), "gradient", units);
        (units >= HEIGHT).then(|| within(Within::Gradient(id), what, vec![Kind::TopK(TopK)], why))
    };
    graph.ids().filter(move |&id| !is_output(id)).filter_map(site)
}

/// The sites of scores: of all attentions without a mask of their own, where a block of queries sees more than one block of tokens.
pub(super) fn scores(graph: &Graph) -> impl Iterator<Item = Site> {
    let site = |id: NodeId| {
        let units = near_of(graph, id)?.count;
        let why = "a token that is not seen has no part in the softmax over those that are";
        let what = (format!("{}.scores", graph.node(id).name), "scores", units);
        Score.fits(units, 1).then(|| within(Within::Scores(id), what, vec![Kind::Score(Score)], why))
    };
    graph.ids().filter_map(site)
}

/// All blocks of scores of an attention without a mask of its own; `None` where its lengths follow the batch.
pub(crate) fn near_of(graph: &Graph, id: NodeId) -> Option<Near> {
    let (Op::Attention(op), &[queries, keys, _]) = (&graph.node(id).op, graph.inputs_of(id)) else { return None };
    let length = |value: Value| match graph.fact(value).ok()?.shape[..] {
        [.., Dim::Fixed(length), _] => Some(length),
        _ => None,
    };
    let (_, tokens) = (length(queries)?, length(keys)?);
    let side = Near::side_of(tokens);
    op.near.is_none().then_some(Near { side, count: tokens.div_ceil(side) })
}

/// The name of the weights of a linear layer that has its own, and its number of inputs.
fn inputs_of(graph: &Graph, id: NodeId) -> Option<(&str, usize)> {
    let (name, shape) = weights_of(graph, id)?;
    matches!(graph.node(id).op, Op::Linear(_)).then(|| (name, shape[0].count()))
}

/// The name of the weights of a layer that has its own, and its number of outputs, where these can be told apart on one axis.
fn outputs_of(graph: &Graph, id: NodeId) -> Option<(&str, usize)> {
    let (name, shape) = weights_of(graph, id)?;
    let outputs = match &graph.node(id).op {
        Op::Linear(_) => shape.last(),
        Op::Conv(conv) if conv.groups == 1 && conv.stride.len() <= 2 => shape.first(),
        _ => None,
    };
    Some((name, outputs?.count()))
}

/// Name and shape of the parameter that a node reads behind its input.
fn weights_of(graph: &Graph, id: NodeId) -> Option<(&str, &[Dim])> {
    let weight = graph.node(graph.inputs_of(id).get(1)?.node);
    matches!(weight.op, Op::Parameter(_)).then_some(())?;
    Some((&weight.name, &weight.facts.first()?.shape))
}

struct Drafts {
    all: Vec<Draft>,
    by_leaf: Vec<u32>,
}

impl Drafts {
    /// A draft for every set of units that weights have.
    fn of_weights(joined: &mut Joined<'_>) -> Self {
        let mut this = Self { all: Vec::new(), by_leaf: vec![NONE; joined.coupling.len()] };
        let mut found = Vec::new();
        for id in joined.graph.ids().filter(|&id| matches!(joined.graph.node(id).op, Op::Parameter(_))) {
            for axis in 0..joined.graph.node(id).facts[0].rank() {
                pieces(joined, Value { node: id, slot: 0 }, axis, &mut found);
                found.sort_by_key(|piece| piece.member.start);
                found.iter().for_each(|piece| this.open(piece.leaf));
            }
        }
        this
    }

    fn open(&mut self, leaf: Part) {
        let slot = &mut self.by_leaf[leaf.index()];
        if *slot == NONE {
            *slot = self.all.len() as u32;
            self.all.push(Draft::of(leaf));
        }
    }

    /// Everywhere that the units lie.
    fn add_members(&mut self, joined: &mut Joined<'_>) {
        let mut found = Vec::new();
        for id in joined.graph.ids() {
            let node = joined.graph.node(id);
            let (level, weights) = (Level::of(&node.op), matches!(node.op, Op::Parameter(_)));
            for value in joined.graph.outputs_of(id) {
                for (axis, dim) in node.facts[value.slot].shape.iter().enumerate() {
                    pieces(joined, value, axis, &mut found);
                    found.retain(|piece| self.by_leaf[piece.leaf.index()] != NONE);
                    found.sort_by_key(|piece| piece.member.start);
                    for piece in &found {
                        let draft = &mut self.all[self.by_leaf[piece.leaf.index()] as usize];
                        draft.add(piece, level, weights);
                        draft.lengthy |= dim.count() > 1;
                    }
                    self.note_overlaps(&found, joined);
                }
            }
        }
    }

    /// Which of the pieces of one axis, in the order of their first elements, overlap: all pairs, in each run of pieces that touch the same elements.
    fn note_overlaps(&mut self, found: &[Piece], joined: &Joined<'_>) {
        if found.len() < 2 {
            return;
        }
        let span = |piece: &Piece| piece.span(joined.coupling.length(piece.leaf));
        let (mut first, mut end) = (0, span(&found[0]).1);
        for at in 1..=found.len() {
            if at < found.len() && span(&found[at]).0 < end {
                end = end.max(span(&found[at]).1);
                continue;
            }
            self.note_run(&found[first..at]);
            if at < found.len() {
                (first, end) = (at, span(&found[at]).1);
            }
        }
    }

    fn note_run(&mut self, run: &[Piece]) {
        let sites: Vec<u32> = run.iter().map(|piece| self.by_leaf[piece.leaf.index()]).collect();
        for (at, &a) in sites.iter().enumerate() {
            if sites.len() > MOST_OVERLAPS {
                self.all[a as usize].crowded = true;
                continue;
            }
            for &b in sites[..at].iter().filter(|&&b| b != a) {
                self.all[a as usize].overlaps.push(b);
                self.all[b as usize].overlaps.push(a);
            }
        }
    }

    /// Which sites can be thinned out, each for itself: of those that overlap, the one whose units lie least scattered.
    fn choose(&mut self, joined: &mut Joined<'_>) -> Vec<bool> {
        let mut chosen = vec![false; self.all.len()];
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|&at| self.all[at].repeats);
        for at in order {
            let draft = &self.all[at];
            let free = joined.coupling.reason(draft.leaf).is_none() && !draft.nested && !draft.crowded;
            let alone = !draft.overlaps.iter().any(|&other| chosen[other as usize]);
            chosen[at] = free && alone && joined.coupling.length(draft.leaf) > 1;
        }
        chosen
    }

    /// The site of a draft, without its members; `None` for a single unit that is all of its axis.
    fn site(&self, at: usize, chosen: &[bool], joined: &Joined<'_>) -> Option<Site> {
        let draft = &self.all[at];
        let units = joined.coupling.length(draft.leaf);
        if !draft.lengthy {
            return None;
        }
        let level = if joined.coupling.is_marked(draft.leaf) { Level::Head } else { draft.level };
        let kind = if level == Level::Head { Kind::Head(Head) } else { Kind::Channel(Channel) };
        let (kinds, verdict) = if chosen[at] && kind.fits(units, 1) {
            (vec![kind], Verdict::Sparsifiable(why(units, draft)))
        } else {
            (Vec::new(), Verdict::NotSparsifiable(self.why_not(at, chosen, joined)))
        };
        let (name, level, members) = (self.name(at, joined), level.name(), Vec::new());
        Some(Site { name, level, units, kinds, members, within: None, verdict })
    }

    fn name(&self, at: usize, joined: &Joined<'_>) -> String {
        let draft = &self.all[at];
        let named = |first: u32| {
            let member = draft.members[first as usize];
            let name = &joined.graph.node(member.value.node).name;
            match member.start {
                0 => format!("{name}[{}]", member.axis),
                start => format!("{name}[{} from {start}]", member.axis),
            }
        };
        draft.first.map(named).unwrap_or_default()
    }

    fn why_not(&self, at: usize, chosen: &[bool], joined: &Joined<'_>) -> String {
        let draft = &self.all[at];
        if let Some(reason) = joined.coupling.reason(draft.leaf) {
            return reason.text(joined.graph);
        }
        if let Some(&other) = draft.overlaps.iter().find(|&&other| chosen[other as usize]) {
            return format!(
                "interleaved with the units of {}, which thin out instead",
                self.name(other as usize, joined)
            );
        }
        let units = joined.coupling.length(draft.leaf);
        let why = if units <= 1 { "a single unit" } else { "its units lie scattered inside of others" };
        why.to_owned()
    }
}

fn why(units: usize, draft: &Draft) -> String {
    let block = draft.members.iter().map(|member| member.block).min().unwrap_or(1);
    let stride = if block > 1 { format!(" in multiples of {block}") } else { String::new() };
    format!("exact: {units} units{stride} leave {} weight axes together", draft.weights)
}
