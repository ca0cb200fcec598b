//! Sparsifiability: which axes must thin out together, and whether they may.
mod groups;
mod joined;
mod places;
mod sites;
mod tokens;

pub(crate) use sites::near_of;

use crate::blocks::Blocked;
use crate::density::Density;
use crate::error::Result;
use crate::graph::{Graph, NodeId, Value};
use crate::kind::SparsityKind;
use crate::kinds::Kind;
use crate::phase::Phase;
use crate::setting::{Choice, Setting, SiteId};
use serde::Serialize;
use std::ops::Range;

/// Part of an axis of one value that belongs to a site: `units * block` elements from `start`, and as many again `repeats` times, each
/// `stride` elements behind the one before. A batch axis counts for one sample, and repeats for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Member {
    /// The value.
    pub value: Value,
    /// Its axis.
    pub axis: usize,
    /// The first element of the first unit.
    pub start: usize,
    /// Consecutive elements of the axis that make one unit.
    pub block: usize,
    /// How often all units stand in the axis.
    pub repeats: usize,
    /// Elements from one repetition to the next.
    pub stride: usize,
}

impl Member {
    /// The elements of units `units`, range by range.
    pub fn elements(&self, units: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { start, block, repeats, stride, .. } = *self;
        (0..repeats)
            .map(move |at| start + at * stride)
            .map(move |from| from + units.start * block..from + units.end * block)
    }

    /// Whether a smaller number of units is a shorter axis, when units fill `length` elements.
    pub fn is_prefix(&self, units: usize, length: usize) -> bool {
        self.start == 0 && self.repeats == 1 && units * self.block == length
    }
}

/// Whether units of a site can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "reason")]
pub enum Verdict {
    /// Yes: leaving a unit out equals setting it to zero everywhere; of tokens, that it had never been there.
    Sparsifiable(String),
    /// No, because of this.
    NotSparsifiable(String),
}

impl Verdict {
    /// Why, or why not.
    pub fn reason(&self) -> &str {
        match self {
            Self::Sparsifiable(reason) | Self::NotSparsifiable(reason) => reason,
        }
    }
}

/// What of a layer a site lies within that is not one of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// The weights of a linear layer or convolution.
    Weights(Blocked),
    /// What a linear layer reads: this layer takes the rest as zero, others that read the same do not.
    Inputs(NodeId),
    /// The gradient by what a layer makes, on its way back.
    Gradient(NodeId),
    /// The scores of this attention: some are not computed.
    Scores(NodeId),
    /// The tokens that this node makes, and all that follows from them; where none can leave, the attention that they go to.
    Tokens(NodeId),
}

/// A place where something can be left out: axes that must thin out together, the weights of a layer, what one reads, the gradient that comes back to
/// one, the scores of an attention, or tokens on their way to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// Name of the first weights with an axis in it, and that axis; where it begins, unless at the axis' begin.
    pub name: String,
    /// What a unit is: `channel`, `neuron`, `head`, `feature`; `vector` within weights, `activation` in what a layer reads, `gradient` in what comes back;
    /// `scores`, `token`.
    pub level: &'static str,
    /// Number of units; within weights, blocks of a row; of what a layer reads, its inputs; of a gradient, its outputs; of scores, the blocks of tokens that a block of
    /// queries sees. Of tokens all that may leave: where
    /// some have left before, no more stay than there are.
    pub units: usize,
    /// The kinds that fit; empty when it is not sparsifiable.
    pub kinds: Vec<Kind>,
    /// The axes, if it is one of axes; of tokens, all behind the place where they leave.
    pub members: Vec<Member>,
    /// Where in a layer it lies, or where tokens leave, if it is not one of axes.
    pub within: Option<Within>,
    /// Whether units can be left out, and why (not).
    pub verdict: Verdict,
}

impl Site {
    /// Whether units of it can be left out.
    pub fn is_sparsifiable(&self) -> bool {
        matches!(self.verdict, Verdict::Sparsifiable(_))
    }

    /// Whether it is one of axes.
    pub fn is_of_axes(&self) -> bool {
        self.within.is_none()
    }

    /// The layer that it lies in, or the node whose tokens leave, if it is not one of axes.
    pub fn layer(&self) -> Option<NodeId> {
        self.within.map(|within| match within {
            Within::Weights(blocked) => blocked.layer,
            Within::Inputs(node) | Within::Gradient(node) | Within::Scores(node) | Within::Tokens(node) => node,
        })
    }

    /// The layer within whose weights it lies.
    pub fn blocked(&self) -> Option<Blocked> {
        match self.within {
            Some(Within::Weights(blocked)) => Some(blocked),
            _ => None,
        }
    }

    /// Whether weights leave with its units.
    pub fn has_weights(&self) -> bool {
        matches!(self.within, None | Some(Within::Weights(_)))
    }

    /// Whether some way to leave out units saves work in a phase.
    pub fn saves(&self, phase: Phase) -> bool {
        self.kinds.iter().any(|kind| kind.phases().contains(&phase))
    }
}

/// Layers whose channels leave together, by the names of their weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Channels that the first of the layers makes.
    pub width: usize,
    /// Weights that lose output channels.
    pub out: Vec<String>,
    /// Weights that lose input channels with them.
    pub r#in: Vec<String>,
    /// Whether channels can be left out.
    pub fits: bool,
    /// Why, or why not.
    pub reason: String,
}

/// The sites of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Analysis {
    /// Sites that can be made sparse, axes before weights before inputs before gradients before scores before tokens; a [`SiteId`] is an index here.
    pub sites: Vec<Site>,
    /// Coupled axes of weights, and tokens of attentions, that cannot, each with the reason.
    pub fixed: Vec<Site>,
    /// The coupled channels of layers, as tools that prune whole channels see them.
    pub groups: Vec<Group>,
    #[serde(skip)]
    index: Index,
    #[serde(skip)]
    obstacles: joined::Obstacles,
}

/// The members of sparsifiable sites by value, the sites within weights, inputs, gradients and scores by their layers, and those of tokens by the nodes
/// that make them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    members: Vec<(Value, u32, u32)>,
    blocked: Vec<(Blocked, SiteId)>,
    inputs: Vec<(NodeId, SiteId)>,
    gradients: Vec<(NodeId, SiteId)>,
    scores: Vec<(NodeId, SiteId)>,
    tokens: Vec<(NodeId, SiteId)>,
}

impl Index {
    fn of(sites: &[Site]) -> Self {
        let members = |(site, all): (usize, &Site)| {
            let member = |(at, member): (usize, &Member)| (member.value, site as u32, at as u32);
            all.members.iter().enumerate().map(member).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = sites.iter().enumerate().flat_map(members).collect();
        all.sort_unstable();
        let mut this = Self { members: all, ..Self::default() };
        for (at, site) in sites.iter().enumerate() {
            match site.within {
                Some(Within::Weights(blocked)) => this.blocked.push((blocked, SiteId(at))),
                Some(Within::Inputs(layer)) => this.inputs.push((layer, SiteId(at))),
                Some(Within::Gradient(layer)) => this.gradients.push((layer, SiteId(at))),
                Some(Within::Scores(node)) => this.scores.push((node, SiteId(at))),
                Some(Within::Tokens(node)) => this.tokens.push((node, SiteId(at))),
                None => {}
            }
        }
        this
    }
}

impl Analysis {
    /// The sites of `graph`.
    ///
    /// # Errors
    /// When the graph is not well-formed.
    pub fn of(graph: &Graph) -> Result<Self> {
        graph.check()?;
        let mut joined = joined::Joined::of(graph);
        let found = sites::Found::of(&mut joined);
        let groups = groups::groups(&mut joined, &found);
        let mut tokens = tokens::tokens(&mut joined);
        let obstacles = joined.into_obstacles();
        let mut fixed: Vec<Site> = found.into_sites().collect();
        let mut sites: Vec<Site> = fixed.extract_if(.., |site| site.is_sparsifiable()).collect();
        fixed.extend(tokens.extract_if(.., |site| !site.is_sparsifiable()));
        sites.extend(Blocked::all(graph).into_iter().map(|blocked| sites::weights(graph, blocked)));
        sites.extend(sites::inputs(graph));
        sites.extend(sites::gradients(graph));
        sites.extend(sites::scores(graph));
        sites.extend(tokens);
        let index = Index::of(&sites);
        Ok(Self { sites, fixed, groups, index, obstacles })
    }

    /// Why an axis of a value of the graph that was analysed cannot be thinned out, as far as operators say so. `None` does not promise that
    /// there are weights on it.
    pub fn obstacle(&self, graph: &Graph, value: Value, axis: usize) -> Option<String> {
        self.obstacles.get(value, axis).map(|reason| reason.text(graph))
    }

    /// The members of sparsifiable sites that lie in a value, each with its site.
    pub fn members_of(&self, value: Value) -> impl Iterator<Item = (SiteId, &Member)> {
        let all = &self.index.members;
        let first = all.partition_point(|entry| entry.0 < value);
        let mine = all[first..].iter().take_while(move |entry| entry.0 == value);
        mine.map(|&(_, site, member)| (SiteId(site as usize), &self.sites[site as usize].members[member as usize]))
    }

    /// The first kind that fits, of every site.
    pub fn kinds(&self) -> Vec<Kind> {
        self.sites.iter().map(|site| site.kinds[0]).collect()
    }

    /// The sites within weights, by their layers.
    pub fn blocked(&self) -> &[(Blocked, SiteId)] {
        &self.index.blocked
    }

    /// The sites of what layers read, by these.
    pub fn inputs(&self) -> &[(NodeId, SiteId)] {
        &self.index.inputs
    }

    /// The sites of gradients, by their layers.
    pub fn gradients(&self) -> &[(NodeId, SiteId)] {
        &self.index.gradients
    }

    /// The sites of scores, by their attentions.
    pub fn scores(&self) -> &[(NodeId, SiteId)] {
        &self.index.scores
    }

    /// The sites of tokens, by the nodes that make them, in the order in which these run.
    pub fn tokens(&self) -> &[(NodeId, SiteId)] {
        &self.index.tokens
    }

    /// The same density at every site of axes; all weights of what is left, and all tokens.
    pub fn uniform(&self, density: Density) -> Setting {
        let chosen = |site: &Site| site.is_of_axes().then_some(Choice { kind: site.kinds[0], density });
        self.at(chosen)
    }

    /// The same density of one kind within every layer that it fits: its weights, its inputs, its gradient, or its scores; or of all tokens, from the first place on
    /// where they can leave. All axes whole.
    pub fn uniform_within(&self, kind: Kind, density: Density) -> Setting {
        let chosen = |site: &Site| !site.is_of_axes() && site.kinds.contains(&kind) && density < Density::FULL;
        self.at(|site| chosen(site).then_some(Choice { kind, density }))
    }

    /// The choice at every site, dense where there is none.
    fn at(&self, chosen: impl Fn(&Site) -> Option<Choice>) -> Setting {
        let dense = |site: &Site| Choice { kind: site.kinds[0], density: Density::FULL };
        Setting::new(self.sites.iter().map(|site| chosen(site).unwrap_or_else(|| dense(site))).collect())
    }

    /// Everything dense.
    pub fn dense(&self) -> Setting {
        self.uniform(Density::FULL)
    }

    /// Units kept at each site; `None` unless the setting has one choice for every site.
    pub fn kept(&self, setting: &Setting) -> Option<Vec<usize>> {
        let fits = setting.choices().len() == self.sites.len();
        let kept = |(i, site): (usize, &Site)| setting.density(SiteId(i)).kept(site.units);
        fits.then(|| self.sites.iter().enumerate().map(kept).collect())
    }

    /// The first site at which a setting leaves out something in a way that does not fit there, and that way.
    pub fn misfit(&self, setting: &Setting) -> Option<(&Site, Kind)> {
        let chosen = self.sites.iter().zip(setting.choices());
        let fits = |site: &Site, choice: &Choice| choice.density == Density::FULL || site.kinds.contains(&choice.kind);
        chosen.into_iter().find(|(site, choice)| !fits(site, choice)).map(|(site, choice)| (site, choice.kind))
    }
}
