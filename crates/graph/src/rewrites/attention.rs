//! Attention that is written out: a product, a factor, masks, a softmax and a product.
use super::mask::Mask;
use crate::fact::Fact;
use crate::graph::{Graph, NodeId, Value};
use crate::operator::Operator;
use crate::operators::{Attention, BinaryFunction, Op, Permute};
use crate::patch::Patch;

/// Scores lie under no more masks.
const MOST_MASKS: usize = 4;

/// Puts [`Attention`] in place of `softmax(c Q K' + mask) V`, where nothing else reads what lies between; factors of `Q` and `K` go into the scale, and
/// masks, which may be added or chosen by a condition, into one.
pub(super) fn rewrite(graph: &Graph, patch: &mut Patch) {
    let uses = Uses::of(graph);
    for found in graph.ids().filter_map(|id| uses.attention(id)) {
        found.write(graph, patch);
    }
}

/// A graph, with how often each node is read.
struct Uses<'a> {
    graph: &'a Graph,
    readers: Vec<u32>,
}

/// Attention as it is found.
struct Found {
    product: NodeId,
    query: Value,
    /// Keys, with their last two axes exchanged.
    turned_key: Value,
    value: Value,
    masks: Vec<Mask>,
    /// Whether a mask that hides what stands behind a query, and nothing else, is gone.
    causal: bool,
    scale: f64,
    /// The nodes on the way.
    inner: Vec<NodeId>,
}

impl Uses<'_> {
    fn of(graph: &Graph) -> Uses<'_> {
        let mut readers = vec![0; graph.len()];
        let inputs = graph.ids().flat_map(|id| graph.inputs_of(id));
        inputs.chain(graph.outputs()).for_each(|value| readers[value.node.0] += 1);
        Uses { graph, readers }
    }

    fn op(&self, value: Value) -> &Op {
        &self.graph.node(value.node).op
    }

    fn inputs(&self, value: Value) -> &[Value] {
        self.graph.inputs_of(value.node)
    }

    fn attention(&self, product: NodeId) -> Option<Found> {
        let (Op::Matmul(_), &[weights, value]) = (&self.graph.node(product).op, self.graph.inputs_of(product)) else {
            return None;
        };
        let mut found = Walk { uses: self, inner: Vec::new(), scale: 1.0 };
        let scores = found.softmax(weights)?;
        let (scores, mut masks) = found.masks(scores);
        let causal = matches!(&masks[..], [only] if only.is_causal(self.graph, scores));
        if causal {
            masks.clear();
        }
        let scores = found.factor(scores);
        let [query, turned_key] = found.product(scores)?;
        let [query, turned_key] = [query, turned_key].map(|operand| found.factor(operand));
        let Walk { inner, scale, .. } = found;
        let found = Found { product, query, turned_key, value, masks, causal, scale, inner };
        found.fits(self.graph).then_some(found)
    }

    /// The one number that a value is.
    fn number(&self, value: Value) -> Option<f64> {
        match self.op(value) {
            Op::Constant(constant) => match constant.value.data() {
                [number] => Some(f64::from(*number)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// From a product back to its queries and keys.
struct Walk<'a> {
    uses: &'a Uses<'a>,
    inner: Vec<NodeId>,
    scale: f64,
}

impl Walk<'_> {
    /// Whether a value can go, for only the node before reads it.
    fn is_inner(&self, value: Value) -> bool {
        self.uses.readers[value.node.0] == 1
    }

    fn softmax(&mut self, value: Value) -> Option<Value> {
        let rank = self.uses.graph.fact(value).ok()?.rank();
        let along_tokens = matches!(self.uses.op(value), Op::Softmax(softmax) if softmax.axis + 1 == rank);
        (along_tokens && self.is_inner(value)).then(|| self.through(value))
    }

    /// The first input of a node that goes.
    fn through(&mut self, value: Value) -> Value {
        self.inner.push(value.node);
        self.uses.inputs(value)[0]
    }

    /// The scores under all masks, and the masks.
    fn masks(&mut self, mut scores: Value) -> (Value, Vec<Mask>) {
        let mut masks = Vec::new();
        while masks.len() < MOST_MASKS
            && self.is_inner(scores)
            && let Some((mask, under)) = self.mask(scores).or_else(|| self.apart(scores))
            && self.keeps_shape(scores, under)
        {
            self.inner.push(scores.node);
            masks.push(mask);
            scores = under;
        }
        (scores, masks)
    }

    /// A mask that lies on scores, and the scores under it.
    fn mask(&self, scores: Value) -> Option<(Mask, Value)> {
        self.added(scores).or_else(|| Mask::chosen(self.uses.graph, scores.node))
    }

    /// A mask that lies on scores of another shape, which are brought to it and back: windows apart from samples.
    fn apart(&mut self, scores: Value) -> Option<(Mask, Value)> {
        let reshaped = |value: Value| match (self.uses.op(value), self.uses.inputs(value)) {
            (Op::Reshape(_), &[from]) if self.is_inner(from) => Some(from),
            _ => None,
        };
        let masked = reshaped(scores)?;
        let (mask, apart) = self.mask(masked).filter(|&(_, apart)| self.keeps_shape(masked, apart))?;
        let under = reshaped(apart)?;
        let shape = |value: Value| self.uses.graph.fact(value).ok().map(|fact| fact.shape.clone());
        let mask = Mask::Apart { mask: Box::new(mask), from: shape(masked)?, to: shape(scores)? };
        self.inner.extend([masked.node, apart.node]);
        Some((mask, under))
    }

    /// A mask that is added, and the scores: of two summands, that which a product makes.
    fn added(&self, value: Value) -> Option<(Mask, Value)> {
        let is_sum = matches!(self.uses.op(value), Op::Binary(binary) if binary.function == BinaryFunction::Add);
        match *self.uses.inputs(value) {
            [a, b] if is_sum && self.are_scores(a) => Some((Mask::Added(b), a)),
            [a, b] if is_sum && self.are_scores(b) => Some((Mask::Added(a), b)),
            _ => None,
        }
    }

    /// Whether a value is made by a product, perhaps scaled and masked.
    fn are_scores(&self, value: Value) -> bool {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match self.uses.op(value) {
                Op::Matmul(_) => return true,
                Op::Scalar(_) | Op::Binary(_) | Op::Where(_) | Op::Reshape(_) if self.is_inner(value) => {
                    open.extend(self.uses.inputs(value));
                }
                _ => {}
            }
        }
        false
    }

    /// A factor, and what it multiplies.
    fn scaled(&self, value: Value) -> Option<(f64, Value)> {
        let inputs = self.uses.inputs(value);
        match (self.uses.op(value), inputs) {
            (Op::Scalar(line), &[x]) if line.shift == 0.0 => Some((line.scale, x)),
            (Op::Binary(binary), &[a, b]) => match binary.function {
                BinaryFunction::Mul => {
                    self.uses.number(b).map(|n| (n, a)).or_else(|| self.uses.number(a).map(|n| (n, b)))
                }
                BinaryFunction::Div => self.uses.number(b).map(|n| (n.recip(), a)),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a value is without its factor, which goes into the scale.
    fn factor(&mut self, value: Value) -> Value {
        match self.scaled(value).filter(|(factor, x)| factor.is_finite() && self.keeps_shape(value, *x)) {
            Some((factor, x)) if self.is_inner(value) => {
                self.inner.push(value.node);
                self.scale *= factor;
                x
            }
            _ => value,
        }
    }

    fn keeps_shape(&self, a: Value, b: Value) -> bool {
        self.uses.graph.fact(a) == self.uses.graph.fact(b)
    }

    fn product(&mut self, value: Value) -> Option<[Value; 2]> {
        let (Op::Matmul(_), true, &[a, b]) = (self.uses.op(value), self.is_inner(value), self.uses.inputs(value))
        else {
            return None;
        };
        self.inner.push(value.node);
        Some([a, b])
    }
}

impl Found {
    /// A causal mask among others is an operand.
    fn op(&self) -> Attention {
        Attention::new(self.scale, self.causal)
    }

    /// Whether the operator takes these operands, and makes what was made.
    fn fits(&self, graph: &Graph) -> bool {
        let Ok(turned) = graph.fact(self.turned_key) else { return false };
        let Some(key) = swapped(turned) else { return false };
        let fact = |value: Value| graph.fact(value).ok();
        let mask = (!self.masks.is_empty()).then(|| Mask::joint_fact(&self.masks, graph));
        let operands = [fact(self.query), Some(&key), fact(self.value)];
        let operands: Option<Vec<&Fact>> = operands.into_iter().chain(mask.as_ref().map(Option::as_ref)).collect();
        let made = operands.and_then(|operands| self.op().infer(&operands).ok());
        made.as_ref() == Some(&graph.node(self.product).facts)
    }

    fn write(&self, graph: &Graph, patch: &mut Patch) {
        let name = &graph.node(self.product).name;
        let key = self.key(graph, patch, name);
        let mask = Mask::write_all(&self.masks, graph, patch, name);
        let operands: Vec<Value> = [self.query, key, self.value].into_iter().chain(mask).collect();
        let attention = patch.add(name, self.op(), &operands);
        patch.replace(Value { node: self.product, slot: 0 }, attention);
        self.inner.iter().chain([&self.product]).for_each(|&id| patch.remove(id));
    }

    /// The keys as the operator wants them: as they were before their axes were exchanged, or exchanged once more.
    fn key(&self, graph: &Graph, patch: &mut Patch, name: &str) -> Value {
        let node = graph.node(self.turned_key.node);
        let rank = node.facts[self.turned_key.slot].rank();
        let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        match &node.op {
            Op::Permute(permute) if permute.order == order => node.inputs[0],
            _ => patch.add(format!("{name}/keys"), Permute { order }, &[self.turned_key]),
        }
    }
}

/// The last two axes exchanged; `None` when there are not two.
fn swapped(fact: &Fact) -> Option<Fact> {
    let mut fact = fact.clone();
    let rank = fact.rank();
    fact.shape.swap(rank.checked_sub(1)?, rank.checked_sub(2)?);
    Some(fact)
}
