//! Sparsifiability: which axes must thin out together, and whether they may.
use crate::axes::{Axes, Axis, Letter, Role};
use crate::density::Density;
use crate::error::Result;
use crate::fact::{Dim, Fact};
use crate::graph::{Graph, NodeId, Value};
use crate::kind::SparsityKind;
use crate::kinds::{Channel, Head, Kind};
use crate::operator::Operator;
use crate::operators::Op;
use crate::setting::{Choice, Setting, SiteId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One axis of one value that belongs to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The value.
    pub value: Value,
    /// Its axis.
    pub axis: usize,
    /// Consecutive elements of the axis that make one unit.
    pub block: usize,
}

/// Whether units of a site can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "reason")]
pub enum Verdict {
    /// Yes, and leaving a unit out equals setting it to zero everywhere.
    Sparsifiable(String),
    /// No, because of this.
    NotSparsifiable(String),
}

/// Axes that must thin out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Name of the first weights with an axis in it, and that axis.
    pub name: String,
    /// What a unit is: `channel`, `neuron`, `head`, `feature`.
    pub level: String,
    /// Number of units.
    pub units: usize,
    /// The kinds that fit; empty when it is not sparsifiable.
    pub kinds: Vec<Kind>,
    /// The axes.
    pub members: Vec<Member>,
    /// Whether units can be left out, and why (not).
    pub verdict: Verdict,
}

impl Site {
    /// Whether units of it can be left out.
    pub fn is_sparsifiable(&self) -> bool {
        matches!(self.verdict, Verdict::Sparsifiable(_))
    }
}

/// The sites of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// Sites that can be made sparse; a [`SiteId`] is an index here.
    pub sites: Vec<Site>,
    /// Coupled axes of weights that cannot, each with the reason.
    pub fixed: Vec<Site>,
}

impl Analysis {
    /// The sites of `graph`.
    ///
    /// # Errors
    /// When the graph is not well-formed.
    pub fn of(graph: &Graph) -> Result<Self> {
        graph.check()?;
        let mut coupling = Coupling::new(graph);
        for id in graph.ids() {
            coupling.visit(id);
        }
        coupling.seal_boundaries();
        let (sites, fixed) = coupling.into_sites().into_iter().partition(Site::is_sparsifiable);
        Ok(Self { sites, fixed })
    }

    /// The first kind that fits, of every site.
    pub fn kinds(&self) -> Vec<Kind> {
        self.sites.iter().map(|site| site.kinds[0]).collect()
    }

    /// The same density at every site.
    pub fn uniform(&self, density: Density) -> Setting {
        Setting::uniform(&self.kinds(), density)
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

    /// A choice of `density` at one site.
    pub fn choice(&self, site: SiteId, density: Density) -> Choice {
        Choice { kind: self.sites[site.0].kinds[0], density }
    }
}

/// What ties an axis to others.
#[derive(Clone, Debug)]
struct Group {
    parent: usize,
    units: usize,
    reason: Option<String>,
    head: bool,
}

/// Union-find over all axes of all values.
struct Coupling<'a> {
    graph: &'a Graph,
    first: Vec<Vec<usize>>,
    groups: Vec<Group>,
}

impl<'a> Coupling<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut this = Self { graph, first: Vec::new(), groups: Vec::new() };
        for id in graph.ids() {
            let mut starts = Vec::new();
            for fact in &graph.node(id).facts {
                starts.push(this.groups.len());
                for dim in &fact.shape {
                    let reason = dim.is_batch().then(|| "samples: the request chooses them".to_owned());
                    let parent = this.groups.len();
                    this.groups.push(Group { parent, units: dim.count(), reason, head: false });
                }
            }
            this.first.push(starts);
        }
        this
    }

    fn index(&self, value: Value, axis: usize) -> usize {
        self.first[value.node.0][value.slot] + axis
    }

    fn root(&self, mut at: usize) -> usize {
        while self.groups[at].parent != at {
            at = self.groups[at].parent;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (keep, drop) = (a.min(b), a.max(b));
        if keep == drop {
            return;
        }
        let dropped = self.groups[drop].clone();
        self.groups[drop].parent = keep;
        let group = &mut self.groups[keep];
        group.units = gcd(group.units, dropped.units);
        group.reason = group.reason.take().or(dropped.reason);
        group.head |= dropped.head;
    }

    fn forbid(&mut self, at: usize, reason: impl FnOnce() -> String) {
        let root = self.root(at);
        self.groups[root].reason.get_or_insert_with(reason);
    }

    /// Joins the axes that share a letter of the operator at `id`, and forbids those that may not shrink.
    fn visit(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let inputs = self.graph.inputs_of(id);
        let axes = node.op.axes(&self.graph.input_facts(id));
        let operands: Vec<Value> = inputs.iter().copied().chain(self.graph.outputs_of(id)).collect();
        if axes.is_opaque() {
            self.forbid_all(&operands, || format!("{} promises nothing about its axes", node.name));
            return;
        }
        let places = Places::of(&axes, &operands, self.graph);
        for (letter, outer) in &places.outer {
            let indices: Vec<usize> = outer.iter().map(|&(value, axis)| self.index(value, axis)).collect();
            for pair in indices.windows(2) {
                self.join(pair[0], pair[1]);
            }
            let Some(&first) = indices.first() else { continue };
            let root = self.root(first);
            self.groups[root].units = gcd(self.groups[root].units, places.length[letter]);
            self.groups[root].head |= is_head(&node.op, &axes, *letter);
            if axes.role(*letter) == Role::Bound {
                self.forbid(first, || format!("{}: {}", node.name, node.op.bound_because()));
            } else if places.inner.contains(letter) {
                self.forbid(first, || format!("{}: interleaved inside another axis", node.name));
            }
        }
    }

    fn forbid_all(&mut self, operands: &[Value], reason: impl Fn() -> String) {
        for &value in operands {
            for axis in 0..self.rank(value) {
                self.forbid(self.index(value, axis), &reason);
            }
        }
    }

    fn rank(&self, value: Value) -> usize {
        self.graph.node(value.node).facts[value.slot].rank()
    }

    fn seal_boundaries(&mut self) {
        let inputs = self.graph.input_ids().into_iter().map(|node| Value { node, slot: 0 });
        self.forbid_all(&inputs.collect::<Vec<_>>(), || "model input".to_owned());
        let outputs = self.graph.outputs().to_vec();
        self.forbid_all(&outputs, || "model output".to_owned());
    }

    fn into_sites(self) -> Vec<Site> {
        let mut members: BTreeMap<usize, Vec<(Value, usize, usize)>> = BTreeMap::new();
        for id in self.graph.ids() {
            for (slot, fact) in self.graph.node(id).facts.iter().enumerate() {
                for (axis, dim) in fact.shape.iter().enumerate() {
                    let value = Value { node: id, slot };
                    let root = self.root(self.index(value, axis));
                    members.entry(root).or_default().push((value, axis, dim.count()));
                }
            }
        }
        members.into_iter().filter_map(|(root, axes)| self.site(&self.groups[root], &axes)).collect()
    }

    /// The site of one group; `None` for a group without weights or with a single unit.
    fn site(&self, group: &Group, axes: &[(Value, usize, usize)]) -> Option<Site> {
        let is_weight = |value: &Value| matches!(self.graph.node(value.node).op, Op::Parameter(_));
        let (first, axis, _) = axes.iter().find(|(value, ..)| is_weight(value))?;
        let longest = axes.iter().map(|&(.., length)| length).max()?;
        if longest <= 1 {
            return None;
        }
        let units = group.units.max(1);
        let members: Vec<Member> =
            axes.iter().map(|&(value, axis, length)| Member { value, axis, block: length / units }).collect();
        let kind = if group.head { Kind::Head(Head) } else { Kind::Channel(Channel) };
        let reason = group.reason.clone().or_else(|| (!kind.fits(units, 1)).then(|| "a single unit".to_owned()));
        let (kinds, verdict) = match reason {
            Some(reason) => (Vec::new(), Verdict::NotSparsifiable(reason)),
            None => (vec![kind], Verdict::Sparsifiable(self.why(units, &members))),
        };
        let name = format!("{}[{axis}]", self.graph.node(first.node).name);
        Some(Site { name, level: self.level(group, axes), units, kinds, members, verdict })
    }

    fn why(&self, units: usize, members: &[Member]) -> String {
        let block = members.iter().map(|m| m.block).min().unwrap_or(1);
        let weights = members.iter().filter(|m| matches!(self.graph.node(m.value.node).op, Op::Parameter(_))).count();
        let stride = if block > 1 { format!(" in multiples of {block}") } else { String::new() };
        format!("exact: {units} units{stride} leave {weights} weight axes together")
    }

    fn level(&self, group: &Group, axes: &[(Value, usize, usize)]) -> String {
        let any = |name: &str| axes.iter().any(|&(value, ..)| self.graph.node(value.node).op.name() == name);
        let level = match (group.head, any("conv2d"), any("linear")) {
            (true, ..) => "head",
            (_, true, _) => "channel",
            (_, _, true) => "neuron",
            _ => "feature",
        };
        level.to_owned()
    }
}

/// Where each letter of an operator stands.
struct Places {
    outer: BTreeMap<Letter, Vec<(Value, usize)>>,
    inner: Vec<Letter>,
    length: BTreeMap<Letter, usize>,
}

impl Places {
    fn of(axes: &Axes, operands: &[Value], graph: &Graph) -> Self {
        let mut this = Self { outer: BTreeMap::new(), inner: Vec::new(), length: BTreeMap::new() };
        let fact = |value: &Value| -> &Fact { &graph.node(value.node).facts[value.slot] };
        for (operand, &value) in axes.inputs().iter().chain(axes.outputs()).zip(operands) {
            for (axis, (made, dim)) in operand.iter().zip(&fact(&value).shape).enumerate() {
                match made {
                    Axis::Chain(_) => this.inner.extend(made.letters()),
                    made => this.add(&made.letters().collect::<Vec<_>>(), (value, axis), *dim),
                }
            }
        }
        this
    }

    fn add(&mut self, factors: &[Letter], place: (Value, usize), dim: Dim) {
        let Some((&outer, inner)) = factors.split_first() else { return };
        self.outer.entry(outer).or_default().push(place);
        self.inner.extend_from_slice(inner);
        let length = self.length.entry(outer).or_insert_with(|| dim.count());
        *length = gcd(*length, dim.count());
    }
}

/// Whether a letter counts the heads of an attention product: in both factors and in the result.
fn is_head(op: &Op, axes: &Axes, letter: Letter) -> bool {
    let stands = |operand: &Vec<Axis>| operand.iter().any(|axis| axis.letters().any(|l| l == letter));
    matches!(op, Op::Matmul(_)) && axes.inputs().iter().all(stands) && axes.outputs().iter().all(stands)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
