//! The whole of what an analysis says, for every operator.
use crate::analysis::{Analysis, Group, Site, Within};
use crate::graph::{Graph, NodeId, Value};
use crate::kind::{Level, Operand, SparsityKind};
use crate::kinds::{Kind, Token};
use crate::operator::{Family, Operator};
use crate::operators::{BinaryFunction, Op};
use crate::phase::Phase;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Why, or why not.
type Reason = Cow<'static, str>;

/// Whether one kind can leave out something of one operand of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperandVerdict {
    /// The operand.
    pub operand: Operand,
    /// How much would go at once.
    pub level: Level,
    /// The kind; none where none leaves out that much of this operand.
    #[serde(serialize_with = "kind_name")]
    pub kind: Option<Kind>,
    /// The phases in which it saves work; none when it does not fit.
    pub phases: &'static [Phase],
    /// Whether leaving out equals setting to zero.
    pub exact: bool,
    /// Whether it fits.
    pub fits: bool,
    /// Why, or why not.
    pub reason: Reason,
}

fn kind_name<S: Serializer>(kind: &Option<Kind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.as_ref().map(SparsityKind::name).serialize(serializer)
}

/// What can be left out of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorReport {
    /// Name of its node.
    pub name: String,
    /// Name of the operator.
    pub op: &'static str,
    /// Multiply-adds of its sums of products, for one sample, forward.
    pub macs: u64,
    /// A verdict for every operand and level.
    pub verdicts: Vec<OperandVerdict>,
}

/// What can be left out of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the graph.
    pub model: String,
    /// Multiply-adds of all sums of products, for one sample, forward.
    pub macs: u64,
    /// Trained weights.
    pub params: u64,
    /// Every operator that computes something or brings data; weights and constants are operands.
    pub operators: Vec<OperatorReport>,
    /// Layers whose channels leave together.
    pub groups: Vec<Group>,
}

impl Report {
    /// The report of a graph and its analysis.
    pub fn of(graph: &Graph, analysis: &Analysis) -> Self {
        let view = View::of(graph, analysis);
        let listed = |id: &NodeId| !matches!(graph.node(*id).op, Op::Parameter(_) | Op::Constant(_));
        let operators: Vec<OperatorReport> = graph.ids().filter(listed).map(|id| view.operator(id)).collect();
        Self {
            model: graph.name().to_owned(),
            macs: operators.iter().map(|operator| operator.macs).sum(),
            params: params(graph),
            operators,
            groups: analysis.groups.clone(),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Trained weights of a graph; the statistics of norms are not trained.
pub fn params(graph: &Graph) -> u64 {
    let norms = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::BatchNorm(_)));
    let statistics: BTreeSet<NodeId> =
        norms.flat_map(|id| graph.inputs_of(id).iter().skip(3)).map(|value| value.node).collect();
    let trained = graph.parameter_ids().into_iter().filter(|id| !statistics.contains(id));
    trained.map(|id| graph.node(id).facts[0].elements()).sum::<f64>() as u64
}

/// Multiply-adds of an operator's sums of products, for one sample, forward; norms, activations and pooling have none.
pub fn macs(graph: &Graph, id: NodeId) -> u64 {
    match graph.node(id).op.family() {
        Family::Product | Family::Recurrent => (graph.work_of(id, 1, Phase::Forward).flops / 2.0) as u64,
        _ => 0,
    }
}

/// The kinds of each level.
type Levels = Vec<(Level, Vec<Kind>)>;

/// What verdicts are drawn from.
struct View<'a> {
    graph: &'a Graph,
    analysis: &'a Analysis,
    /// The sum that each node ends in, when nothing else reads what is computed on the way.
    branch: Vec<Option<NodeId>>,
    /// Every operand, with the kinds of each level that leave out something of it.
    kinds: Vec<(Operand, Levels)>,
}

/// Whether something fits, whether it is exact, and why.
struct Finding {
    fits: bool,
    exact: bool,
    reason: Reason,
}

impl Finding {
    fn yes(reason: impl Into<Reason>) -> Self {
        Self { fits: true, exact: true, reason: reason.into() }
    }

    fn nearly(reason: impl Into<Reason>) -> Self {
        Self { fits: true, exact: false, reason: reason.into() }
    }

    fn no(reason: impl Into<Reason>) -> Self {
        Self { fits: false, exact: false, reason: reason.into() }
    }
}

impl<'a> View<'a> {
    fn of(graph: &'a Graph, analysis: &'a Analysis) -> Self {
        let fitting = |operand, level| {
            let fits = |kind: &Kind| kind.level() == level && kind.operands().contains(&operand);
            Kind::ALL.iter().copied().filter(fits).collect()
        };
        let levels = |operand| (operand, Level::ALL.map(|level| (level, fitting(operand, level))).to_vec());
        Self { graph, analysis, branch: branches(graph), kinds: Operand::ALL.map(levels).to_vec() }
    }

    fn operator(&self, id: NodeId) -> OperatorReport {
        let node = self.graph.node(id);
        OperatorReport {
            name: node.name.clone(),
            op: node.op.name(),
            macs: macs(self.graph, id),
            verdicts: self.verdicts(id),
        }
    }

    /// A verdict for every operand and level, and every kind that could leave something out there.
    fn verdicts(&self, id: NodeId) -> Vec<OperandVerdict> {
        let mut verdicts = Vec::with_capacity(56);
        for (operand, levels) in &self.kinds {
            let value = self.value(id, *operand);
            for (level, kinds) in levels {
                let before = verdicts.len();
                match value {
                    Ok(value) => verdicts.extend(kinds.iter().filter_map(|&kind| {
                        let finding = self.finding(id, *operand, kind, value)?;
                        Some(verdict(*operand, *level, Some(kind), finding))
                    })),
                    Err(absent) => verdicts.push(verdict(*operand, *level, None, Finding::no(absent))),
                }
                if verdicts.len() == before {
                    verdicts.push(verdict(*operand, *level, None, Finding::no(NO_KIND)));
                }
            }
        }
        verdicts
    }

    /// The value of an operand, or why there is none.
    fn value(&self, id: NodeId, operand: Operand) -> Result<Value, &'static str> {
        let node = self.graph.node(id);
        let is = |value: &&Value, op: fn(&Op) -> bool| op(&self.graph.node(value.node).op);
        let find = |op: fn(&Op) -> bool| node.inputs.iter().find(|value| is(value, op)).copied();
        let weight = || find(|op| matches!(op, Op::Parameter(_))).ok_or("it has no weights");
        let activation = || {
            find(|op| !matches!(op, Op::Parameter(_) | Op::Constant(_) | Op::Input(_)))
                .ok_or("it reads nothing that is computed")
        };
        match operand {
            Operand::Weight | Operand::WeightGradient | Operand::OptimizerState => weight(),
            Operand::Activation => activation(),
            Operand::InputGradient => activation().map_err(|_| "no gradient goes further than to weights and data"),
            Operand::Data if matches!(node.op, Op::Input(_)) => Ok(Value { node: id, slot: 0 }),
            Operand::Data => find(|op| matches!(op, Op::Input(_))).ok_or("it reads no data"),
        }
    }

    /// `None` for a kind of which another stands for the same.
    fn finding(&self, id: NodeId, operand: Operand, kind: Kind, value: Value) -> Option<Finding> {
        let node = self.graph.node(id);
        let family = node.op.family();
        Some(match kind {
            Kind::Channel(_) | Kind::Head(_) => self.axis(id, kind, value)?,
            Kind::Unstructured(_) | Kind::Block(_) | Kind::Pattern(_) => self.within_weights(id, kind, value),
            Kind::Threshold(_) => self.small_activations(id, value),
            Kind::Score(_) => self.scores(id),
            Kind::TopK(_) => match family {
                Family::Product | Family::Recurrent => {
                    Finding::yes("an element of the gradient that is zero adds nothing to either product behind it")
                }
                _ => Finding::no("no product behind it would shrink"),
            },
            Kind::Layer(_) | Kind::Branch(_) => self.summand(id, kind),
            Kind::Freeze(_) => Finding::yes("nothing else reads the gradient of its weights"),
            Kind::Step(_) => {
                Finding::nearly("the weights stay as they are until a later step: steps that follow begin elsewhere")
            }
            Kind::Token(_) => self.tokens(value),
            Kind::Sample(_) => self.samples(operand, value),
        })
    }

    /// Slices of the axis that holds the channels of a value.
    fn axis(&self, id: NodeId, kind: Kind, value: Value) -> Option<Finding> {
        let (graph, analysis) = (self.graph, self.analysis);
        let of_axes = |site: &&Site| site.is_of_axes();
        let sites = || analysis.members_of(value).map(|(site, _)| &analysis.sites[site.0]).filter(of_axes);
        if let Some(site) = sites().find(|site| site.kinds.contains(&kind)) {
            let stride = if kind == Kind::ALL[0] { "channels" } else { "heads" };
            return Some(Finding::yes(format!("{stride} of {}: {}", site.name, site.verdict.reason())));
        }
        let heads = matches!(kind, Kind::Head(_));
        if heads || sites().next().is_some() {
            return None;
        }
        let rank = graph.node(value.node).facts[value.slot].rank();
        let axis = match graph.node(id).op.family() {
            _ if rank == 0 => return Some(Finding::no("a single number")),
            Family::Window => 1.min(rank - 1),
            _ if matches!(graph.node(id).op, Op::Conv(_) | Op::ConvTranspose(_)) => rank.saturating_sub(1).min(1),
            _ => rank - 1,
        };
        let found = analysis
            .obstacle(graph, value, axis)
            .or_else(|| (0..rank).rev().find_map(|axis| analysis.obstacle(graph, value, axis)));
        Some(Finding::no(found.map_or(Reason::Borrowed("no weights lie on its axes"), Reason::Owned)))
    }

    /// Elements and vectors of weights.
    fn within_weights(&self, id: NodeId, kind: Kind, value: Value) -> Finding {
        let node = self.graph.node(id);
        let fact = &self.graph.node(value.node).facts[value.slot];
        match node.op.family() {
            Family::Product | Family::Recurrent if fact.rank() >= 2 => {
                let longest = fact.shape.iter().map(|dim| dim.count()).max().unwrap_or(0);
                if kind.fits(longest, 1) {
                    Finding::yes("a weight that is zero adds nothing to the sum that it stands in")
                } else {
                    Finding::no("its axes are shorter than what would go at once")
                }
            }
            Family::Product | Family::Recurrent | Family::Normalisation | Family::ElementWise => {
                Finding::no("each weight is met once: nothing is saved by a zero")
            }
            Family::Selection => Finding::no("rows are taken as they are: nothing is computed with single weights"),
            _ => Finding::no("its weights stand in no sum of products"),
        }
    }

    /// Activations that are zero or small.
    fn small_activations(&self, id: NodeId, value: Value) -> Finding {
        let made = &self.graph.node(value.node);
        match self.graph.node(id).op.family() {
            Family::Product | Family::Recurrent => {
                let clipped = made.op.keeps_zero() && made.op.family() == Family::ElementWise;
                Finding::yes(if clipped {
                    "an activation that is zero adds nothing; those that come out of an activation function may be zero by themselves"
                } else {
                    "an activation that is zero adds nothing to the sums that it stands in"
                })
            }
            Family::Movement => Finding::no("nothing is computed"),
            Family::Normalisation => Finding::no("normalises: zero is not absence"),
            _ => Finding::no("each element is met once: nothing is saved by a zero"),
        }
    }

    /// Blocks of scores.
    fn scores(&self, id: NodeId) -> Finding {
        let mut sites = self.analysis.scores().iter();
        match (sites.find(|(attention, _)| *attention == id), &self.graph.node(id).op) {
            (Some((_, site)), _) => Finding::nearly(self.analysis.sites[site.0].verdict.reason().to_owned()),
            (None, Op::Attention(_)) => Finding::no("a mask, a length that follows the batch, or a single block"),
            _ => Finding::no("it is no attention"),
        }
    }

    /// All of an operator, with all that is computed into the same summand.
    fn summand(&self, id: NodeId, kind: Kind) -> Finding {
        let node = self.graph.node(id);
        if let (Kind::Branch(_), true) = (kind, is_sum(&node.op)) {
            return Finding::yes("a summand that is zero adds nothing");
        }
        match self.branch[id.0] {
            Some(sum) => Finding::yes(format!("ends in {}, to which a zero adds nothing", self.graph.node(sum).name)),
            None if kind == Kind::Layer(crate::kinds::Layer) => {
                let read = node.inputs.first().and_then(|&value| self.graph.fact(value).ok());
                let replaceable = read.is_some() && read == node.facts.first() && node.op.family() != Family::Source;
                if replaceable {
                    Finding::nearly("what it reads has the shape of what it makes and can stand in for it")
                } else {
                    Finding::no("what it makes is not added to anything, and nothing else has its shape")
                }
            }
            None => Finding::no("what it makes does not end in a sum"),
        }
    }

    /// Tokens that have left before, or why none do: the axis before the last, of a value with three.
    fn tokens(&self, value: Value) -> Finding {
        let leave = |site: &&Site| site.kinds.contains(&Kind::Token(Token));
        let mut sites = self.analysis.members_of(value).map(|(site, _)| &self.analysis.sites[site.0]);
        if let Some(site) = sites.find(leave) {
            return Finding::nearly(format!("leave at {}: {}", site.name, site.verdict.reason()));
        }
        if self.graph.node(value.node).facts[value.slot].rank() != 3 {
            return Finding::no("it reads no sequence of tokens");
        }
        if !self.analysis.tokens().is_empty() {
            return Finding::no("no tokens have left yet");
        }
        let stay = self.analysis.fixed.iter().find(|site| matches!(site.within, Some(Within::Tokens(_))));
        match stay {
            Some(site) => Finding::no(format!("none leave at {}: {}", site.name, site.verdict.reason())),
            None => Finding::no("no attention reads it: tokens leave before one"),
        }
    }

    fn samples(&self, operand: Operand, value: Value) -> Finding {
        let shape = &self.graph.node(value.node).facts[value.slot].shape;
        if !shape.iter().any(|dim| dim.is_batch()) {
            return Finding::no("no axis follows the batch");
        }
        Finding::yes(match operand {
            Operand::InputGradient => "the loss is a sum over samples: one that is left out adds no gradient",
            _ => "each sample is computed for itself",
        })
    }
}

const NO_KIND: &str = "no kind leaves out so much of this operand";

fn verdict(operand: Operand, level: Level, kind: Option<Kind>, finding: Finding) -> OperandVerdict {
    let Finding { fits, exact, reason } = finding;
    let phases = kind.filter(|_| fits).map_or(&[][..], |kind| kind.phases());
    OperandVerdict { operand, level, kind, phases, exact, fits, reason }
}

fn is_sum(op: &Op) -> bool {
    matches!(op, Op::Binary(binary) if binary.function == BinaryFunction::Add)
}

/// For every node the sum that alone reads what it makes, perhaps through others.
fn branches(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut reader: Vec<Option<NodeId>> = vec![None; graph.len()];
    let mut readers = vec![0u32; graph.len()];
    for id in graph.ids() {
        for value in graph.inputs_of(id) {
            reader[value.node.0] = Some(id);
            readers[value.node.0] += 1;
        }
    }
    graph.outputs().iter().for_each(|value| readers[value.node.0] += 1);
    let mut branch: Vec<Option<NodeId>> = vec![None; graph.len()];
    for id in graph.ids().rev().filter(|id| readers[id.0] == 1) {
        let Some(next) = reader[id.0] else { continue };
        branch[id.0] = if is_sum(&graph.node(next).op) { Some(next) } else { branch[next.0] };
    }
    branch
}
