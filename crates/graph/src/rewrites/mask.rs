//! Masks of scores: numbers that are added to them, or a condition that puts one number in their place.
use crate::array::Array;
use crate::broadcast;
use crate::fact::{DType, Dim, Fact};
use crate::graph::{Graph, NodeId, Value};
use crate::operators::{Binary, BinaryFunction, Constant, Expand, Op, Reshape, Where};
use crate::patch::Patch;

/// A score of this, or this added to a score, weighs nothing beside any other: its power of e is zero in floats.
const NEVER: f32 = -1e4;

/// What hides tokens from queries.
pub(super) enum Mask {
    /// Numbers that are added to scores.
    Added(Value),
    /// Where the condition is as said, scores become this number.
    Chosen {
        /// The condition.
        condition: Value,
        /// What it is where scores are hidden.
        hides: bool,
        /// What hidden scores become.
        hidden: f32,
    },
    /// A mask of scores of shape `from`, which have shape `to` elsewhere.
    Apart {
        /// The mask.
        mask: Box<Self>,
        /// The shape that it lies on.
        from: Vec<Dim>,
        /// The shape of the scores.
        to: Vec<Dim>,
    },
}

/// The shape that a mask of scores of shape `from` is repeated to, and that which it then has on scores of shape `to`: axes at the end that are in both may
/// stay of length one.
fn spread(mask: &[Dim], from: &[Dim], to: &[Dim]) -> [Vec<Dim>; 2] {
    let kept = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    let missing = std::iter::repeat_n(Dim::Fixed(1), from.len().saturating_sub(mask.len()));
    let own: Vec<Dim> = missing.chain(mask.iter().copied()).skip(from.len() - kept).collect();
    [from, to].map(|shape| [&shape[..shape.len() - kept], &own].concat())
}

impl Mask {
    /// The mask that a node chooses, and the scores under it, if adding its number hides scores as much as putting it in their place. It does where the
    /// number is minus infinity, and for one that is merely small where no query can lose all its tokens.
    pub fn chosen(graph: &Graph, node: NodeId) -> Option<(Self, Value)> {
        let (Op::Where(_), &[condition, a, b]) = (&graph.node(node).op, graph.inputs_of(node)) else { return None };
        let number =
            |value: Value| constant(graph, value).filter(|array| array.data().len() == 1).map(|one| one.data()[0]);
        let (hides, hidden, scores) = match (number(a), number(b)) {
            (Some(hidden), _) => (true, hidden, b),
            (_, Some(hidden)) => (false, hidden, a),
            _ => return None,
        };
        let condition = alike(graph, condition).unwrap_or(condition);
        let mask = Self::Chosen { condition, hides, hidden };
        let fits = hidden == f32::NEG_INFINITY || (hidden <= NEVER && mask.leaves_some(graph));
        fits.then_some((mask, scores))
    }

    /// Whether the condition is known, and hides no row as a whole.
    fn leaves_some(&self, graph: &Graph) -> bool {
        let Self::Chosen { condition, hides, .. } = *self else { return false };
        let Some(known) = constant(graph, condition) else { return false };
        let tokens = known.shape().last().copied().unwrap_or(1).max(1);
        known.data().chunks(tokens).all(|row| row.iter().any(|&holds| (holds != 0.0) != hides))
    }

    /// Whether it puts a number in the place of scores that is merely small.
    fn is_small(&self) -> bool {
        match self {
            Self::Added(_) => false,
            Self::Chosen { hidden, .. } => hidden.is_finite(),
            Self::Apart { mask, .. } => mask.is_small(),
        }
    }

    /// Whether it is known, one for all samples and heads, and hides from each query the tokens behind it, as many as there are queries, and nothing else.
    pub fn is_causal(&self, graph: &Graph, scores: Value) -> bool {
        let Some(numbers) = self.numbers(graph) else { return false };
        let plane = graph.fact(scores).ok().and_then(|fact| fact.shape.last_chunk::<2>().copied());
        let (Some(plane), Some(&[rows, columns])) = (plane, numbers.shape().last_chunk::<2>()) else { return false };
        let later = |at: usize| at % columns > at / columns;
        let hides = |at: usize, number: f32| if later(at) { number <= NEVER } else { number == 0.0 };
        let fits = plane == [Dim::Fixed(columns); 2] && rows == columns && numbers.data().len() == rows * columns;
        fits && numbers.data().iter().enumerate().all(|(at, &number)| hides(at, number))
    }

    /// What is added to scores, where it is known.
    fn numbers(&self, graph: &Graph) -> Option<Array> {
        match *self {
            Self::Added(value) => constant(graph, value).cloned(),
            Self::Chosen { condition, hides, hidden } => {
                let numbers = if hides { [hidden, 0.0] } else { [0.0, hidden] };
                Some(constant(graph, condition)?.map(|holds| f64::from(numbers[usize::from(holds == 0.0)])))
            }
            Self::Apart { .. } => None,
        }
    }

    fn fact(&self, graph: &Graph) -> Option<Fact> {
        match *self {
            Self::Added(value) => graph.fact(value).ok().cloned(),
            Self::Chosen { condition, .. } => graph.fact(condition).ok().map(|fact| Fact::f32(fact.shape.clone())),
            Self::Apart { ref mask, ref from, ref to } => {
                let [_, shape] = spread(&mask.fact(graph)?.shape, from, to);
                Some(Fact::f32(shape))
            }
        }
    }

    /// What is known of the sum of masks; `None` when they are no sum: where another mask may hide what a merely small number leaves.
    pub fn joint_fact(masks: &[Self], graph: &Graph) -> Option<Fact> {
        if masks.len() > 1 && masks.iter().any(Self::is_small) {
            return None;
        }
        let facts: Vec<Fact> = masks.iter().map(|mask| mask.fact(graph)).collect::<Option<_>>()?;
        Some(Fact::f32(broadcast::shape(&facts.iter().collect::<Vec<_>>())?))
    }

    /// The sum of masks as one value; none of no masks.
    pub fn write_all(masks: &[Self], graph: &Graph, patch: &mut Patch, name: &str) -> Option<Value> {
        let mut sum = None;
        for (at, mask) in masks.iter().enumerate() {
            let name = format!("{name}/mask{}", at + 1);
            let value = mask.write(graph, patch, &name);
            let add =
                |before| patch.add(format!("{name}/sum"), Binary { function: BinaryFunction::Add }, &[before, value]);
            sum = Some(sum.map_or(value, add));
        }
        sum
    }

    fn write(&self, graph: &Graph, patch: &mut Patch, name: &str) -> Value {
        match *self {
            Self::Added(value) => value,
            Self::Apart { ref mask, ref from, ref to } => {
                let shape = mask.fact(graph).map(|fact| fact.shape).unwrap_or_default();
                let [apart, joined] = spread(&shape, from, to);
                let value = mask.write(graph, patch, &format!("{name}/apart"));
                let spread = patch.add(format!("{name}/spread"), Expand { to: apart }, &[value]);
                patch.add(name, Reshape { to: joined }, &[spread])
            }
            Self::Chosen { condition, hides, hidden } => {
                let numbers = if hides { [hidden, 0.0] } else { [0.0, hidden] };
                match self.numbers(graph) {
                    Some(known) => number(patch, name, known),
                    None => {
                        let [a, b] = numbers.map(|value| {
                            let what = if value == 0.0 { "seen" } else { "hidden" };
                            number(patch, &format!("{name}/{what}"), Array::full(&[], value))
                        });
                        patch.add(name, Where {}, &[condition, a, b])
                    }
                }
            }
        }
    }
}

fn number(patch: &mut Patch, name: &str, value: Array) -> Value {
    patch.add(name, Constant { value, dtype: DType::F32 }, &[])
}

/// The constant that a value repeats for every sample and head, if it does.
fn alike(graph: &Graph, value: Value) -> Option<Value> {
    let (_, plane) = graph.fact(value).ok()?.shape.split_last_chunk::<2>()?;
    let mut from = value;
    while constant(graph, from).is_none() {
        from = repeated(graph, from)?;
    }
    let shape = &graph.fact(from).ok()?.shape;
    let (outer, own) = shape.split_last_chunk::<2>()?;
    (own == plane && outer.iter().all(|&dim| dim == Dim::Fixed(1))).then_some(from)
}

/// What a value repeats as a whole, or holds in another shape.
fn repeated(graph: &Graph, value: Value) -> Option<Value> {
    let (&[from], op) = (graph.inputs_of(value.node), &graph.node(value.node).op) else { return None };
    let (to, shape) = (&graph.fact(value).ok()?.shape, &graph.fact(from).ok()?.shape);
    let inner = shape.iter().skip_while(|&&dim| dim == Dim::Fixed(1)).count();
    let is_whole = to.ends_with(&shape[shape.len() - inner..]);
    (matches!(op, Op::Reshape(_)) || (matches!(op, Op::Expand(_)) && is_whole)).then_some(from)
}

fn constant(graph: &Graph, value: Value) -> Option<&Array> {
    match &graph.node(value.node).op {
        Op::Constant(constant) => Some(&constant.value),
        _ => None,
    }
}
