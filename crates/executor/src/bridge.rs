//! A graph on Burn's tensors: which value goes where, and which operator runs when.
use crate::blocks::Blocks;
use crate::error::{Error, Result};
use crate::families::{self, Call, Mode, Runner, Top};
use crate::region::Region;
use crate::tensor::Any;
use burn::tensor::Device;
use std::collections::{BTreeMap, BTreeSet};
use supple_graph::operators::UnaryFunction;
use supple_graph::{
    Blocked, Choice, DType, Density, Elastic, Fact, Graph, Kind, NodeId, Op, Operator, Setting, SiteId, Value,
};

/// Who reads what in a graph. Every value has a place: the values of a node stand side by side, in the order of the nodes.
#[derive(Debug)]
pub(crate) struct Wiring {
    /// The first place of each node.
    first: Vec<usize>,
    /// The places that each node reads.
    inputs: Vec<Vec<usize>>,
    /// How often each place is read.
    readers: Vec<usize>,
    /// The places of the graph's outputs.
    outputs: Vec<usize>,
    /// The node of the layer that can apply this node's ReLU.
    layer_of: Vec<Option<usize>>,
    /// Whether a ReLU alone reads this node's value, which is a layer's.
    cuts: Vec<bool>,
}

impl Wiring {
    pub fn of(graph: &Graph) -> Self {
        let mut first = Vec::with_capacity(graph.len());
        let mut places = 0;
        for id in graph.ids() {
            first.push(places);
            places += graph.node(id).facts.len();
        }
        let place = |value: &Value| first[value.node.0] + value.slot;
        let sources: Vec<Vec<Value>> = graph.ids().map(|id| graph.inputs_of(id).to_vec()).collect();
        let inputs: Vec<Vec<usize>> = sources.iter().map(|values| values.iter().map(place).collect()).collect();
        let outputs: Vec<usize> = graph.outputs().iter().map(place).collect();
        let mut readers = vec![0; places];
        inputs.iter().flatten().chain(&outputs).for_each(|&place| readers[place] += 1);
        let alone = |id: NodeId| {
            let source = sources[id.0].first().filter(|value| readers[place(value)] == 1 && is_relu(graph, id))?;
            is_layer(graph, source.node).then_some(source.node.0)
        };
        let layer_of: Vec<Option<usize>> = graph.ids().map(alone).collect();
        let mut cuts = vec![false; layer_of.len()];
        layer_of.iter().flatten().for_each(|&layer| cuts[layer] = true);
        Self { first, inputs, readers, outputs, layer_of, cuts }
    }

    /// A place for every value, with the values of sources in theirs.
    fn places(&self, sources: Vec<Option<Any>>) -> Vec<Option<Any>> {
        let mut places = vec![None; self.readers.len()];
        for (value, &first) in sources.into_iter().zip(&self.first) {
            if value.is_some() {
                places[first] = value;
            }
        }
        places
    }
}

fn is_relu(graph: &Graph, id: NodeId) -> bool {
    matches!(&graph.node(id).op, Op::Unary(op) if op.function == UnaryFunction::Relu)
}

fn is_layer(graph: &Graph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::Linear(_) => true,
        Op::Conv(conv) => conv.stride.len() <= 2,
        _ => false,
    }
}

/// An operator ready to run, or a source (input, parameter, constant), which does not run.
#[derive(Debug)]
struct Step {
    name: String,
    runner: Option<Runner>,
    /// Whether some of what it makes leaves at once.
    keeps: bool,
    /// What is left of the dense values.
    region: Option<Region>,
    /// Which weights of a layer are there, where they are packed.
    blocks: Option<Blocks>,
    /// What comes back to a layer, where that is not all.
    top: Option<Top>,
    /// The part of a linear layer's inputs up to which those that are zero in all rows are skipped.
    skip: Option<Density>,
    facts: Vec<Fact>,
}

impl Step {
    /// Whether it can apply a ReLU that alone reads it: not where gradients are thinned out between the two.
    fn fuses(&self) -> bool {
        self.top.is_none_or(|top| top.alone && self.blocks.is_none())
    }
}

/// A layer of which only some blocks of the weights are there.
#[derive(Clone, Debug)]
pub(crate) struct Thinned {
    pub site: SiteId,
    pub layer: NodeId,
    pub weight: NodeId,
    /// The layer as it is left.
    pub op: Op,
    pub choice: Choice,
}

/// For sites within layers and the kinds that fit there, the greatest density up to which only what is left is computed with, packed weights or single
/// gradients; above, all with zeros are faster. Where it says nothing, that is so at every density.
pub type BreakEven = BTreeMap<(SiteId, Kind), Option<Density>>;

/// Whether only what a choice leaves within a layer is to be computed with.
pub fn pays(limits: &BreakEven, site: SiteId, Choice { kind, density }: Choice) -> bool {
    limits.get(&(site, kind)).is_none_or(|limit| limit.is_some_and(|limit| density <= limit))
}

impl Thinned {
    /// Whether blocks are to be packed.
    pub fn pays(&self, limits: &BreakEven) -> bool {
        pays(limits, self.site, self.choice)
    }
}

/// A graph at a setting, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    steps: Vec<Step>,
    thinned: Vec<Thinned>,
}

impl Program {
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn of(elastic: &Elastic, setting: &Setting) -> Result<Self> {
        let graph = elastic.shrink(setting)?;
        let step = |id: NodeId| {
            let node = graph.node(id);
            let runs = !is_source(&node.op);
            let runner = runs.then(|| families::runner(&node.op, &graph.input_facts(id), &node.facts));
            let stored = matches!(node.op, Op::Parameter(_) | Op::Constant(_));
            let extent = stored.then(|| elastic.extent(Value { node: id, slot: 0 }, setting)).transpose()?;
            let region = extent.as_ref().map(Region::of);
            Ok(Step {
                name: node.name.clone(),
                runner,
                keeps: matches!(node.op, Op::Then(_)),
                region,
                blocks: None,
                top: None,
                skip: None,
                facts: node.facts.clone(),
            })
        };
        let thinned = elastic.analysis().blocked().iter().filter_map(|&(Blocked { layer, weight }, site)| {
            let choice = setting.choice(site).filter(|choice| choice.density < Density::FULL)?;
            Some(Thinned { site, layer, weight, op: graph.node(layer).op.clone(), choice })
        });
        Ok(Self { steps: graph.ids().map(step).collect::<Result<_>>()?, thinned: thinned.collect() })
    }

    /// The layers of whose weights something is left out within.
    pub fn thinned(&self) -> Vec<Thinned> {
        self.thinned.clone()
    }

    /// From now on the weights of a layer are the values of these blocks.
    pub fn pack(&mut self, layer: NodeId, blocks: Blocks) {
        self.steps[layer.0].blocks = Some(blocks);
    }

    /// From now on that much of the gradient comes back to a layer.
    pub fn thin_gradient(&mut self, layer: NodeId, top: Top) {
        self.steps[layer.0].top = Some(top);
    }

    /// From now on a linear layer skips inputs that are zero where that pays.
    pub fn skip_zeros(&mut self, layer: NodeId, limit: Option<Density>) {
        self.steps[layer.0].skip = limit;
    }

    /// The elements of a parameter or constant that are left.
    pub fn region(&self, id: NodeId) -> Option<&Region> {
        self.steps[id.0].region.as_ref()
    }

    /// What is left of the dense value of a parameter or constant.
    pub fn keep(&self, id: NodeId, dense: Any) -> Any {
        match self.region(id) {
            Some(region) => region.keep(dense),
            None => dense,
        }
    }

    /// Runs it for `batch` samples. `sources` hold the first values of the sources, one entry a node; the graph's outputs come back in order.
    pub fn run(
        &self,
        wiring: &Wiring,
        sources: Vec<Option<Any>>,
        batch: usize,
        mode: Mode,
        device: &Device,
    ) -> Result<Vec<Any>> {
        let mut places = wiring.places(sources);
        let mut readers = wiring.readers.clone();
        let fuses = |layer: usize| mode.kernels && self.steps[layer].fuses();
        for (at, step) in self.steps.iter().enumerate() {
            let Some(runner) = &step.runner else { continue };
            let take = |&place: &usize| take(&mut places, &mut readers, place);
            let operands: Option<Vec<Any>> = wiring.inputs[at].iter().map(take).collect();
            let operands = operands.ok_or_else(|| Error::new(&step.name, "a value that it reads is missing"))?;
            let fused = wiring.layer_of[at].is_some_and(fuses) && !step.keeps;
            let relu = wiring.cuts[at] && fuses(at);
            let values = if fused {
                operands
            } else {
                let blocks = step.blocks.as_ref();
                let call =
                    Call { facts: &step.facts, batch, blocks, top: step.top, skip: step.skip, relu, mode, device };
                runner.run(operands, &call).map_err(|error| Error::new(&step.name, error))?
            };
            for (slot, value) in values.into_iter().enumerate().take(step.facts.len()) {
                places[wiring.first[at] + slot] = Some(value);
            }
        }
        let take = |&place: &usize| take(&mut places, &mut readers, place);
        let outputs: Option<Vec<Any>> = wiring.outputs.iter().map(take).collect();
        outputs.ok_or_else(|| Error::new("outputs", "a value is missing"))
    }
}

/// The value at a place; the place is empty after its last reader.
fn take(places: &mut [Option<Any>], readers: &mut [usize], place: usize) -> Option<Any> {
    readers[place] -= 1;
    if readers[place] == 0 { places[place].take() } else { places[place].clone() }
}

fn is_source(op: &Op) -> bool {
    matches!(op, Op::Input(_) | Op::Parameter(_) | Op::Constant(_))
}

/// The nodes that Burn has no operator for: they run on their own slow truth.
pub(crate) fn slow_nodes(graph: &Graph) -> Vec<NodeId> {
    let slow = |id: &NodeId| {
        let node = graph.node(*id);
        !is_source(&node.op) && families::find(&node.op, &graph.input_facts(*id), &node.facts).is_none()
    };
    graph.ids().filter(slow).collect()
}

/// Says once for each operator that it runs on its slow truth.
pub(crate) fn tell_slow(graph: &Graph) {
    let slow: BTreeSet<&str> = slow_nodes(graph).into_iter().map(|id| graph.node(id).op.name()).collect();
    for op in slow {
        log::warn!("{}: no operator of Burn computes {op}; its slow definition runs", graph.name());
    }
}

/// For each node whether its values depend on a parameter by numbers that have gradients.
pub(crate) fn learning(graph: &Graph) -> Vec<bool> {
    let mut learns = vec![false; graph.len()];
    for id in graph.ids() {
        let node = graph.node(id);
        let float = node.facts.iter().any(|fact| fact.dtype == DType::F32);
        let reads = graph.inputs_of(id).iter().any(|value| learns[value.node.0]);
        learns[id.0] = float && (reads || matches!(node.op, Op::Parameter(_)));
    }
    learns
}

/// Whether gradients reach every parameter that an output depends on: an operator on its slow truth has none.
pub(crate) fn check_gradients(graph: &Graph) -> Result<()> {
    let learns = learning(graph);
    for id in slow_nodes(graph) {
        let node = graph.node(id);
        if learns[id.0] {
            return Err(Error::new(&node.name, format!("no gradient goes through {}", node.op.name())));
        }
    }
    Ok(())
}
