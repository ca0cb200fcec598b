//! All axes of all values of a graph, joined by the operators.
use crate::axes::{Axes, Axis, Letter};
use crate::coupling::{Coupling, Part, Shape};
use crate::fact::Dim;
use crate::graph::{Graph, Node, NodeId, Value};
use crate::operator::Operator;
use crate::operators::Op;
use std::mem::take;
use std::rc::Rc;

/// A node, in half the bytes: there is a reason for every axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Index(u32);

impl From<NodeId> for Index {
    fn from(id: NodeId) -> Self {
        Self(id.0 as u32)
    }
}

/// Why units cannot be left out; of several reasons the first in this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Output,
    Input,
    Samples,
    /// An operator mixes the units.
    Bound(Index),
    /// An operator promises nothing.
    Opaque(Index),
    /// An operator takes the axis apart in ways that do not fit each other.
    Uneven(Index),
    /// Too many parts to tell apart.
    Crowded,
}

impl Reason {
    pub fn text(self, graph: &Graph) -> String {
        let node = |Index(id)| graph.node(NodeId(id as usize));
        match self {
            Self::Output => "model output".to_owned(),
            Self::Input => "model input".to_owned(),
            Self::Samples => "samples: the request chooses them".to_owned(),
            Self::Bound(id) => [&node(id).name, ": ", node(id).op.bound_because()].concat(),
            Self::Opaque(id) => [&node(id).name, " promises nothing about its axes"].concat(),
            Self::Uneven(id) => [&node(id).name, " cuts through the middle of units"].concat(),
            Self::Crowded => "made of too many parts to tell apart".to_owned(),
        }
    }
}

/// The axes of a graph, joined where they must thin out together.
pub(super) struct Joined<'a> {
    pub graph: &'a Graph,
    pub coupling: Coupling<Reason>,
    first_value: Vec<u32>,
    first_axis: Vec<u32>,
    axes: Vec<Part>,
    laid: Vec<(NodeId, Rc<Laid>)>,
    scratch: Scratch,
}

/// The axes of an operator, and how long their letters are.
pub(super) struct Laid {
    pub axes: Axes,
    lengths: Option<Vec<usize>>,
}

impl Laid {
    /// Whether it is known which axis goes where.
    pub fn is_known(&self) -> bool {
        self.lengths.is_some() && !self.axes.is_opaque()
    }
}

/// Operators whose axes are remembered: models repeat few different ones.
const MOST_LAID: usize = 16;

/// What is known of an operator's letters while it is visited, by number.
#[derive(Default)]
struct Scratch {
    parts: Vec<Option<Part>>,
    samples: Vec<bool>,
}

impl<'a> Joined<'a> {
    pub fn of(graph: &'a Graph) -> Self {
        let mut this = Self::separate(graph);
        this.seal_boundaries();
        for id in graph.ids() {
            this.visit(id);
        }
        this
    }

    /// Every axis for itself.
    fn separate(graph: &'a Graph) -> Self {
        let facts = || graph.ids().flat_map(|id| &graph.node(id).facts);
        let count = facts().map(|fact| fact.rank()).sum();
        let mut this = Self {
            graph,
            coupling: Coupling::with_capacity(count),
            first_value: Vec::with_capacity(graph.len()),
            first_axis: Vec::with_capacity(graph.len()),
            axes: Vec::with_capacity(count),
            laid: Vec::with_capacity(MOST_LAID),
            scratch: Scratch::default(),
        };
        for id in graph.ids() {
            this.first_value.push(this.first_axis.len() as u32);
            for fact in &graph.node(id).facts {
                this.first_axis.push(this.axes.len() as u32);
                let leaves = fact.shape.iter().map(|dim| this.coupling.leaf(dim.count()));
                this.axes.extend(leaves);
            }
        }
        this
    }

    /// What an axis of a value is made of.
    pub fn part(&self, value: Value, axis: usize) -> Part {
        self.axes[self.first_axis[self.place(value)] as usize + axis]
    }

    /// The number of a value among all values.
    pub fn place(&self, value: Value) -> usize {
        self.first_value[value.node.0] as usize + value.slot
    }

    fn forbid_all(&mut self, value: Value, reason: Reason) {
        for axis in 0..self.rank(value) {
            self.coupling.forbid(self.part(value, axis), reason);
        }
    }

    fn rank(&self, value: Value) -> usize {
        self.graph.node(value.node).facts[value.slot].rank()
    }

    fn seal_boundaries(&mut self) {
        for id in self.graph.input_ids() {
            self.forbid_all(Value { node: id, slot: 0 }, Reason::Input);
            for (axis, _) in self.graph.node(id).facts[0].shape.iter().enumerate().filter(|(_, dim)| dim.is_batch()) {
                self.coupling.forbid(self.part(Value { node: id, slot: 0 }, axis), Reason::Samples);
            }
        }
        for value in self.graph.outputs() {
            self.forbid_all(*value, Reason::Output);
        }
    }

    /// Joins the axes that share a letter of the operator at `id`, and forbids those that may not shrink.
    fn visit(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        if matches!(node.op, Op::Input(_) | Op::Parameter(_) | Op::Constant(_)) {
            return;
        }
        let laid = self.laid(id);
        let operands: Vec<Value> = node.inputs.iter().copied().chain(self.graph.outputs_of(id)).collect();
        match &laid.lengths {
            Some(lengths) if !laid.axes.is_opaque() => {
                self.meet(&laid.axes, &operands, id);
                self.compose(&laid.axes, &operands, lengths, id);
                self.apply_roles(&laid.axes, node, id);
            }
            _ => operands.into_iter().for_each(|value| self.forbid_all(value, Reason::Opaque(id.into()))),
        }
    }

    /// The axes of an operator: those of an equal one on equal inputs, if that is remembered.
    pub fn laid(&mut self, id: NodeId) -> Rc<Laid> {
        if let Some(at) = self.laid.iter().position(|&(other, _)| self.are_equal(id, other)) {
            return self.laid[at].1.clone();
        }
        let inputs = self.graph.input_facts(id);
        let axes = self.graph.node(id).op.axes(&inputs);
        let facts = inputs.into_iter().chain(&self.graph.node(id).facts);
        let lengths = axes.lengths(&facts.map(|fact| fact.shape.as_slice()).collect::<Vec<_>>());
        let laid = Rc::new(Laid { axes, lengths });
        self.laid.truncate(MOST_LAID - 1);
        self.laid.insert(0, (id, laid.clone()));
        laid
    }

    fn are_equal(&self, a: NodeId, b: NodeId) -> bool {
        let (one, other) = (self.graph.node(a), self.graph.node(b));
        let fact = |value: &Value| &self.graph.node(value.node).facts[value.slot];
        one.op == other.op && one.inputs.iter().map(fact).eq(other.inputs.iter().map(fact))
    }

    fn shape(&self, value: Value) -> &'a [Dim] {
        &self.graph.node(value.node).facts[value.slot].shape
    }

    /// Joins the axes that are one letter each.
    fn meet(&mut self, axes: &Axes, operands: &[Value], id: NodeId) {
        self.scratch.parts.clear();
        self.scratch.samples.clear();
        for (operand, &value) in axes.inputs().iter().chain(axes.outputs()).zip(operands) {
            for (at, axis) in operand.iter().enumerate() {
                let Axis::Letter(letter) = axis else { continue };
                let part = self.part(value, at);
                match self.scratch.slot(letter.id) {
                    (Some(met), _) => {
                        let met = *met;
                        self.coupling.join(part, met, Reason::Uneven(id.into()));
                    }
                    (slot, _) => *slot = Some(part),
                }
                *self.scratch.slot(letter.id).1 |= self.shape(value)[at].is_batch();
            }
        }
    }

    /// Joins the axes that are products and chains with what they are made of.
    fn compose(&mut self, axes: &Axes, operands: &[Value], lengths: &[usize], id: NodeId) {
        for (operand, &value) in axes.inputs().iter().chain(axes.outputs()).zip(operands) {
            for (at, axis) in operand.iter().enumerate() {
                if matches!(axis, Axis::One | Axis::Letter(_)) {
                    continue;
                }
                let made = self.made_of(axis, lengths, self.shape(value)[at].is_batch());
                let part = self.part(value, at);
                self.coupling.join(part, made, Reason::Uneven(id.into()));
            }
        }
    }

    fn made_of(&mut self, axis: &Axis, lengths: &[usize], batch: bool) -> Part {
        match axis {
            Axis::One => self.coupling.leaf(1),
            Axis::Letter(letter) => self.letter(*letter, lengths),
            Axis::Product(letters) => {
                let factors: Vec<Part> = letters.iter().map(|&letter| self.letter(letter, lengths)).collect();
                if batch {
                    self.forbid_before_samples(letters, &factors);
                }
                self.coupling.product(factors)
            }
            Axis::Chain(axes) => {
                let parts = axes.iter().map(|axis| self.made_of(axis, lengths, batch)).collect();
                self.coupling.chain(parts)
            }
        }
    }

    /// The samples are the outermost factor of a batch axis, or else what stands before them cannot be told apart from them.
    fn forbid_before_samples(&mut self, letters: &[Letter], factors: &[Part]) {
        let samples = letters.iter().position(|letter| *self.scratch.slot(letter.id).1);
        let before = samples.map_or(factors.len(), |at| if at == 0 { 0 } else { at + 1 });
        factors[..before].iter().for_each(|&part| self.coupling.forbid(part, Reason::Samples));
    }

    fn letter(&mut self, letter: Letter, lengths: &[usize]) -> Part {
        if let (Some(met), _) = self.scratch.slot(letter.id) {
            return *met;
        }
        let part = self.coupling.leaf(lengths[usize::from(letter.id)]);
        *self.scratch.slot(letter.id).0 = Some(part);
        part
    }

    fn apply_roles(&mut self, axes: &Axes, node: &Node, id: NodeId) {
        let all = || axes.inputs().iter().chain(axes.outputs()).flatten();
        for letter in all().flat_map(Axis::letters).filter(|letter| letter.bound) {
            if let (Some(part), _) = self.scratch.slot(letter.id) {
                let part = *part;
                self.coupling.forbid(part, Reason::Bound(id.into()));
            }
        }
        if let Op::Matmul(_) | Op::Attention(_) = node.op {
            for letter in axes.inputs()[0].iter().flat_map(Axis::letters) {
                let stands = |operand: &[Axis]| operand.iter().any(|axis| axis.letters().any(|l| l == letter));
                if let (true, true, (Some(part), _)) =
                    (stands(&axes.inputs()[1]), stands(&axes.outputs()[0]), self.scratch.slot(letter.id))
                {
                    let part = *part;
                    self.coupling.mark(part);
                }
            }
        }
    }
}

/// Why axes cannot be thinned out, for every axis of every value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Obstacles {
    first_value: Vec<u32>,
    first_axis: Vec<u32>,
    reasons: Vec<Option<Reason>>,
}

impl Obstacles {
    pub fn get(&self, value: Value, axis: usize) -> Option<Reason> {
        let place = *self.first_value.get(value.node.0)? as usize + value.slot;
        *self.reasons.get(*self.first_axis.get(place)? as usize + axis)?
    }
}

impl Joined<'_> {
    /// The obstacle of every axis: its own, or that of the first of its parts or factors that has one.
    pub fn into_obstacles(mut self) -> Obstacles {
        let own = |part: Part, coupling: &mut Coupling<Reason>| {
            let root = coupling.find(part);
            coupling.reason(root)
        };
        let reason = |part: Part, coupling: &mut Coupling<Reason>| {
            let root = coupling.find(part);
            let inner = match coupling.shape(root) {
                Shape::Leaf => return coupling.reason(root),
                Shape::Chain(parts) | Shape::Product(parts) => parts.clone(),
            };
            coupling.reason(root).or_else(|| inner.into_iter().find_map(|part| own(part, coupling)))
        };
        let reasons = self.axes.iter().map(|&part| reason(part, &mut self.coupling)).collect();
        let (first_value, first_axis) = (take(&mut self.first_value), take(&mut self.first_axis));
        Obstacles { first_value, first_axis, reasons }
    }
}

impl Scratch {
    /// The part that is a letter, and whether it counts samples.
    fn slot(&mut self, letter: u16) -> (&mut Option<Part>, &mut bool) {
        let at = usize::from(letter);
        if self.parts.len() <= at {
            self.parts.resize(at + 1, None);
            self.samples.resize(at + 1, false);
        }
        (&mut self.parts[at], &mut self.samples[at])
    }
}
