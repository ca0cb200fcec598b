//! Where tokens can leave: values before an attention, behind which all that is computed for each token has fewer of them.
use super::joined::{Joined, Reason};
use super::places::{Piece, pieces};
use super::{Member, Site, Verdict, Within};
use crate::axes::Axis;
use crate::coupling::Part;
use crate::fact::DType;
use crate::graph::{Graph, NodeId, Value};
use crate::kinds::{Kind, Token};
use crate::operator::{Family, Operator};
use crate::operators::{Attention, Op, Reduction};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Before more attentions than this no places are looked for: each is followed to the end of the graph.
const MOST_ATTENTIONS: usize = 64;

/// No more places are looked for once so many axes lie behind those found.
const MOST_MEMBERS: usize = 1 << 20;

/// A place for every attention whose queries and keys are the same tokens, or why there is none.
pub(super) fn tokens(joined: &mut Joined<'_>) -> Vec<Site> {
    let graph = joined.graph;
    let attentions = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Attention(_))).take(MOST_ATTENTIONS);
    let (mut sequences, mut sites) = (BTreeMap::new(), Vec::<Site>::new());
    let (mut after, mut members) = (NodeId(0), 0);
    for id in attentions {
        if members > MOST_MEMBERS {
            break;
        }
        if let Some(factors) = factors(joined, id) {
            let sequence = sequences.entry(factors).or_insert_with_key(|factors| Sequence::of(joined, factors));
            let site = sequence.site(graph, id, after);
            let known = site.within.is_some_and(|within| sites.iter().any(|other| other.within == Some(within)));
            members += site.members.len();
            sites.extend((!known).then_some(site));
        }
        after = id;
    }
    sites
}

/// What counts the tokens that are queries and keys of an attention, outermost first, as the rows and columns of patches do; of several sets the largest.
fn factors(joined: &mut Joined<'_>, attention: NodeId) -> Option<Vec<Part>> {
    let [queries, keys] = ends(joined.graph, attention).map(|(value, axis)| sets(joined, value, axis));
    let both = queries.into_iter().filter(|set| keys.contains(set));
    both.filter(|set| count(joined, set) > 1).max_by_key(|set| count(joined, set))
}

fn count(joined: &Joined<'_>, factors: &[Part]) -> usize {
    factors.iter().map(|&factor| joined.coupling.length(factor)).product()
}

/// The sets of units that lie one behind the other on an axis, each as its factors.
fn sets(joined: &mut Joined<'_>, value: Value, axis: usize) -> Vec<Vec<Part>> {
    let mut found = Vec::new();
    pieces(joined, value, axis, &mut found);
    found.sort_by_key(|piece| (piece.member.start, Reverse(piece.member.block)));
    let same = |a: &Piece, b: &Piece| a.member.start == b.member.start;
    let sets = found.chunk_by(same).map(|set| set.iter().map(|piece| piece.leaf).collect::<Vec<_>>());
    sets.filter(|set| whole(joined, set, &found).is_some()).collect()
}

/// Where all units that some factors count lie side by side among the pieces of an axis; `None` where some of them lie elsewhere.
fn whole(joined: &Joined<'_>, factors: &[Part], found: &[Piece]) -> Option<Vec<Member>> {
    let of = |factor: Part| found.iter().filter(move |piece| piece.leaf == factor);
    let (&outer, inner) = factors.split_first()?;
    let mut members = Vec::new();
    for piece in of(outer) {
        let mut member = piece.member;
        let mut repeats = member.repeats * joined.coupling.length(outer);
        for &factor in inner {
            let length = joined.coupling.length(factor);
            let fits = |other: &&Piece| {
                let Member { start, block, repeats: times, .. } = other.member;
                (start, block * length, times) == (member.start, member.block, repeats)
            };
            member.block = of(factor).find(fits)?.member.block;
            repeats *= length;
        }
        members.push(member);
    }
    let plain = |factor: Part| of(factor).count() == members.len() && of(factor).all(|piece| !piece.nested);
    factors.iter().all(|&factor| plain(factor)).then_some(members)
}

/// The axes of an attention's queries and keys that hold tokens.
fn ends(graph: &Graph, attention: NodeId) -> [(Value, usize); 2] {
    let reads = graph.inputs_of(attention);
    let rank = graph.input_facts(attention)[0].rank();
    [(reads[0], rank - 2), (reads[1], rank - 2)]
}

/// Why tokens cannot leave, and at which node that shows.
struct Obstacle {
    at: NodeId,
    why: String,
}

/// One set of tokens, wherever it lies.
struct Sequence {
    length: usize,
    held: BTreeMap<Value, Vec<Held>>,
    /// The nodes that cannot do with fewer tokens, each with the reason.
    stops: BTreeMap<NodeId, String>,
}

/// An axis with tokens, and where on it they lie side by side, if they do.
struct Held {
    axis: usize,
    members: Option<Vec<Member>>,
}

impl Sequence {
    fn of(joined: &mut Joined<'_>, factors: &[Part]) -> Self {
        let (graph, length) = (joined.graph, count(joined, factors));
        let mut this = Self { length, held: BTreeMap::new(), stops: BTreeMap::new() };
        let mut found = Vec::new();
        for value in graph.ids().flat_map(|id| graph.outputs_of(id)) {
            for axis in 0..graph.node(value.node).facts[value.slot].rank() {
                pieces(joined, value, axis, &mut found);
                if found.iter().any(|piece| factors.contains(&piece.leaf)) {
                    let members = whole(joined, factors, &found);
                    this.held.entry(value).or_default().push(Held { axis, members });
                }
            }
        }
        for id in graph.ids() {
            let why = this.stop(joined, id);
            why.into_iter().for_each(|why| _ = this.stops.insert(id, why));
        }
        this
    }

    fn holds(&self, value: Value, axis: usize) -> bool {
        self.held.get(&value).is_some_and(|held| held.iter().any(|held| held.axis == axis))
    }

    /// Why an operator that reads tokens cannot do with fewer.
    fn stop(&self, joined: &mut Joined<'_>, id: NodeId) -> Option<String> {
        let graph = joined.graph;
        let node = graph.node(id);
        if !node.inputs.iter().any(|value| self.held.contains_key(value)) {
            return None;
        }
        let laid = joined.laid(id);
        if !laid.is_known() {
            return Some(Reason::Opaque(id.into()).text(graph));
        }
        let bound = |axis: &Axis| axis.letters().any(|letter| letter.bound);
        let mut operands = laid.axes.inputs().iter().zip(&node.inputs);
        let mixed = operands
            .any(|(axes, &value)| axes.iter().enumerate().any(|(at, axis)| bound(axis) && self.holds(value, at)));
        (mixed && !self.takes_fewer(graph, id)).then(|| Reason::Bound(id.into()).text(graph))
    }

    /// Whether an operator that mixes tokens does so with fewer as well as with all: as if the others had never been there.
    fn takes_fewer(&self, graph: &Graph, id: NodeId) -> bool {
        match &graph.node(id).op {
            Op::Attention(Attention { causal, .. }) => {
                !causal || ends(graph, id).iter().all(|&(value, axis)| self.holds(value, axis))
            }
            Op::Reduce(reduce) => {
                matches!(reduce.reduction, Reduction::Mean | Reduction::Max | Reduction::Min)
            }
            op => matches!(op, Op::Softmax(_)),
        }
    }

    /// The site before an attention: at the last value before it, behind the attention before that, behind which nothing needs all tokens.
    fn site(&self, graph: &Graph, attention: NodeId, after: NodeId) -> Site {
        let [(query, _), (key, _)] = ends(graph, attention);
        let candidates = (after.0..attention.0).rev().map(|id| Value { node: NodeId(id), slot: 0 });
        let mut obstacle =
            Obstacle { at: after, why: "no value before it has its tokens on an axis of their own".to_owned() };
        for place in candidates.filter(|&place| self.is_place(graph, place)) {
            match self.behind(graph, place) {
                Ok(members) if [query, key].iter().all(|end| members.iter().any(|member| member.value == *end)) => {
                    return self.leaving(graph, place, members);
                }
                Err(found) if found.at >= obstacle.at => obstacle = found,
                _ => {}
            }
        }
        let name = format!("{}.tokens", graph.node(attention).name);
        let verdict = Verdict::NotSparsifiable(obstacle.why);
        let within = Some(Within::Tokens(attention));
        Site { name, level: "token", units: self.length, kinds: Vec::new(), members: Vec::new(), within, verdict }
    }

    fn leaving(&self, graph: &Graph, place: Value, members: Vec<Member>) -> Site {
        let mut nodes: Vec<NodeId> = members.iter().map(|member| member.value.node).collect();
        nodes.dedup();
        let name = format!("{}.tokens", graph.node(place.node).name);
        let why = format!(
            "those with the largest norms go on, as if the others had never been there, through {} operators",
            nodes.len()
        );
        let (kinds, within) = (vec![Kind::Token(Token)], Some(Within::Tokens(place.node)));
        Site { name, level: "token", units: self.length, kinds, members, within, verdict: Verdict::Sparsifiable(why) }
    }

    /// Whether the tokens of a value can be told from each other by their features: one axis holds them, side by side, behind the samples.
    fn is_place(&self, graph: &Graph, value: Value) -> bool {
        let node = graph.node(value.node);
        let Some([Held { members: Some(members), .. }]) = self.held.get(&value).map(Vec::as_slice) else {
            return false;
        };
        let [member] = members.as_slice() else { return false };
        let fact = &node.facts[0];
        let computed = !matches!(node.op.family(), Family::Source | Family::Product | Family::Recurrent);
        let plain = member.block == 1 && member.repeats == 1;
        let alone = !fact.shape[member.axis..].iter().any(|dim| dim.is_batch());
        computed && node.facts.len() == 1 && fact.dtype == DType::F32 && plain && alone && member.axis + 1 < fact.rank()
    }

    /// Where the tokens lie behind a place, or what needs all of them there.
    fn behind(&self, graph: &Graph, place: Value) -> Result<Vec<Member>, Obstacle> {
        let mut behind = vec![false; graph.len()];
        behind[place.node.0] = true;
        let mut members = Vec::new();
        for id in (place.node.0..graph.len()).map(NodeId) {
            let reads = graph.inputs_of(id);
            if id > place.node {
                behind[id.0] = reads.iter().any(|value| behind[value.node.0]);
            }
            if !behind[id.0] {
                continue;
            }
            if id > place.node {
                self.check(graph, id, &behind)?;
            }
            for value in graph.outputs_of(id).filter(|value| self.held.contains_key(value)) {
                members.extend(self.members(graph, value)?);
            }
        }
        Ok(members)
    }

    /// Whether a node behind a place can do with the tokens that have come so far.
    fn check(&self, graph: &Graph, id: NodeId, behind: &[bool]) -> Result<(), Obstacle> {
        let node = graph.node(id);
        let all = |value: &&Value| self.held.contains_key(*value) && !behind[value.node.0];
        if let Some(whole) = node.inputs.iter().find(all) {
            let why = format!("{} reads {}, where all tokens are", node.name, graph.node(whole.node).name);
            return Err(Obstacle { at: id, why });
        }
        self.stops.get(&id).map_or(Ok(()), |why| Err(Obstacle { at: id, why: why.clone() }))
    }

    /// Where the tokens lie in a value, unless it is to have all of them.
    fn members(&self, graph: &Graph, value: Value) -> Result<Vec<Member>, Obstacle> {
        let held = self.held.get(&value).map_or(&[][..], Vec::as_slice);
        let obstacle = |why| Obstacle { at: value.node, why };
        if graph.outputs().contains(&value) {
            return Err(obstacle(Reason::Output.text(graph)));
        }
        let all: Option<Vec<&Vec<Member>>> = held.iter().map(|held| held.members.as_ref()).collect();
        let apart = || obstacle(format!("{} takes the tokens apart", graph.node(value.node).name));
        Ok(all.ok_or_else(apart)?.into_iter().flatten().copied().collect())
    }
}
