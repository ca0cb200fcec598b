//! Runs one set of weights at any prepared setting.
use crate::blocks::Blocks;
use crate::bridge::{self, BreakEven, Program, Thinned, Wiring};
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::families::Mode;
use crate::layers::has_kernels;
use crate::tensor::{Any, download, lengths, upload};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use supple_graph::kinds::Threshold;
use supple_graph::{Array, DType, Density, Elastic, Fact, Graph, Kind, NodeId, Op, Setting, Weights};

/// What a setting needs ready: views into the weights, and its operators.
#[derive(Debug)]
struct Plan {
    setting: Setting,
    views: Vec<Option<Any>>,
    program: Program,
}

/// A graph on a device, with one copy of its weights and a plan for each prepared setting.
///
/// Weights stand in order of importance, so that every setting is a prefix: a plan holds views, not copies. Only where an axis is a chain of parts
/// that thin out each on its own, as behind a concatenation, what is left is no prefix, and a plan holds a copy of it. Weights of which a setting
/// leaves out something are packed once for each kind, in the order in which it leaves them out, and every density is a prefix of that; where axes are
/// thinned out too, a plan holds a pack of its own.
#[derive(Debug)]
pub struct Executor {
    elastic: Arc<Elastic>,
    wiring: Wiring,
    backend: Backend,
    mode: Mode,
    full: Vec<Option<Any>>,
    packs: BTreeMap<(NodeId, Kind), (Blocks, Any)>,
    /// Layers whose weights are all finite: with them a zero adds nothing.
    finite: BTreeSet<NodeId>,
    break_even: BreakEven,
    plans: Vec<Plan>,
    current: usize,
}

impl Executor {
    /// Moves the weights to the backend and prepares the dense setting.
    ///
    /// # Errors
    /// When weights are missing or have another shape than the graph's.
    pub fn new(elastic: Arc<Elastic>, weights: &Weights, backend: Backend) -> Result<Self> {
        check_weights(&elastic, weights)?;
        let device = backend.device();
        let graph = elastic.graph();
        let source = |id| match &graph.node(id).op {
            Op::Parameter(_) => weights.get(&id).map(|array| upload(array, DType::F32, device.as_dispatch())),
            Op::Constant(constant) => Some(upload(&constant.value, constant.dtype, device.as_dispatch())),
            _ => None,
        };
        let full = graph.ids().map(source).collect();
        let mode = Mode { kernels: has_kernels(backend), threads: 1 };
        bridge::tell_slow(graph);
        let is_finite = |layer: NodeId| {
            let weight = graph.inputs_of(layer).get(1).and_then(|value| weights.get(&value.node));
            weight.is_some_and(|weight| weight.data().iter().all(|w| w.is_finite()))
        };
        let layers = elastic.analysis().inputs().iter().map(|&(layer, _)| layer);
        let finite = layers.filter(|&layer| is_finite(layer)).collect();
        let (wiring, packs, break_even) = (Wiring::of(graph), BTreeMap::new(), BreakEven::new());
        let (plans, current) = (Vec::new(), 0);
        let mut this = Self { elastic, wiring, backend, mode, full, packs, finite, break_even, plans, current };
        let dense = this.elastic.analysis().dense();
        this.prepare(&dense)?;
        Ok(this)
    }

    /// Runs with this many threads where our own kernels compute, one by default; Burn's operators use rayon's pool.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.mode.threads = threads.max(1);
        self
    }

    /// Whether our own kernels may replace Burn's operators; they may by default. Settings but the dense one are to be prepared afterwards.
    #[must_use]
    pub fn with_kernels(mut self, kernels: bool) -> Self {
        self.mode.kernels = kernels && has_kernels(self.backend);
        self.plans.truncate(1);
        self.current = 0;
        self
    }

    /// Up to which density weights are packed, and inputs that are zero skipped, where that was measured. Settings but the dense one are to be prepared
    /// anew.
    pub fn set_break_even(&mut self, limits: BreakEven) {
        self.break_even = limits;
        self.plans.truncate(1);
        self.current = 0;
        let skips = self.skips(&self.elastic.analysis().dense());
        let programs = self.plans.iter_mut().map(|plan| &mut plan.program);
        programs.for_each(|program| skips.iter().for_each(|&(layer, limit)| program.skip_zeros(layer, limit)));
    }

    /// Up to which part of its inputs a layer skips those that are zero in all rows: where it was measured to be faster; where nothing was measured, as
    /// much as a setting leaves of them.
    fn skips(&self, setting: &Setting) -> Vec<(NodeId, Option<Density>)> {
        let limit = |site| match self.break_even.get(&(site, Kind::Threshold(Threshold))) {
            Some(measured) => *measured,
            None => Some(setting.density(site)).filter(|&density| density < Density::FULL),
        };
        let layers = self.elastic.analysis().inputs().iter();
        layers.filter(|(layer, _)| self.finite.contains(layer)).map(|&(layer, site)| (layer, limit(site))).collect()
    }

    /// Threads where our own kernels compute; `None` where Burn's operators do.
    pub fn kernel_threads(&self) -> Option<usize> {
        self.mode.kernels.then_some(self.mode.threads)
    }

    /// The graph and its sites.
    pub fn elastic(&self) -> &Arc<Elastic> {
        &self.elastic
    }

    /// The backend it runs on.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Makes the plan for a setting, so that [`apply`](Self::apply) can switch to it.
    ///
    /// # Errors
    /// When the setting has not one choice a site.
    pub fn prepare(&mut self, setting: &Setting) -> Result<()> {
        if self.plans.iter().any(|plan| plan.setting == *setting) {
            return Ok(());
        }
        let mut program = Program::of(&self.elastic, setting)?;
        let view = |(full, id): (&Option<Any>, NodeId)| full.clone().map(|tensor| program.keep(id, tensor));
        let mut views: Vec<Option<Any>> = self.full.iter().zip(self.elastic.graph().ids()).map(view).collect();
        for thinned in program.thinned() {
            let Some(dense) = views[thinned.weight.0].take() else { continue };
            let (blocks, weights) = self.thin(&thinned, dense)?;
            views[thinned.weight.0] = Some(weights);
            blocks.into_iter().for_each(|blocks| program.pack(thinned.layer, blocks));
        }
        self.skips(setting).into_iter().for_each(|(layer, limit)| program.skip_zeros(layer, limit));
        self.plans.push(Plan { setting: setting.clone(), views, program });
        Ok(())
    }

    /// The blocks that are left of what the axes leave of a layer's weights, with their values; where these are not faster, dense weights
    /// with zeros instead.
    fn thin(&mut self, thinned: &Thinned, dense: Any) -> Result<(Option<Blocks>, Any)> {
        let device = self.backend.device();
        let upload = |array: &Array| upload(array, DType::F32, device.as_dispatch());
        let full = self.full[thinned.weight.0].as_ref().map(lengths);
        let whole = full.is_some_and(|full| full == lengths(&dense));
        let packed = self.mode.kernels && thinned.pays(&self.break_even);
        if !packed || !whole {
            let weights = download(dense)?;
            let blocks = Blocks::best(&thinned.op, &weights, thinned.choice)?;
            if packed {
                let values = upload(&blocks.values()?);
                return Ok((Some(blocks), values));
            }
            let masked = Array::new(weights.shape().to_vec(), blocks.scatter(&blocks.gather(weights.data())))?;
            return Ok((None, upload(&masked)));
        }
        let (blocks, values) = match self.packs.entry((thinned.weight, thinned.choice.kind)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let blocks = Blocks::all(&thinned.op, &download(dense)?, thinned.choice.kind)?;
                let values = upload(&blocks.values()?);
                free.insert((blocks, values))
            }
        };
        Ok((Some(blocks.clone().keeping(thinned.choice)), values.clone()))
    }

    /// Switches to a prepared setting: a comparison and an index, without allocation.
    ///
    /// # Errors
    /// When the setting was not prepared.
    pub fn apply(&mut self, setting: &Setting) -> Result<()> {
        let found = self.plans.iter().position(|plan| plan.setting == *setting);
        self.current = found.ok_or_else(|| Error::new("setting", "was not prepared"))?;
        Ok(())
    }

    /// The setting that runs now.
    pub fn setting(&self) -> &Setting {
        &self.plans[self.current].setting
    }

    /// The first output for the only input.
    ///
    /// # Errors
    /// When the input does not fit the graph, or the graph has several.
    pub fn run(&self, input: &Array) -> Result<Array> {
        let mut outputs = self.run_all(std::slice::from_ref(input))?.into_iter();
        outputs.next().ok_or_else(|| Error::new(self.elastic.graph().name(), "has no output"))
    }

    /// All outputs, for inputs in the order of [`Graph::input_ids`]. The batch is what the inputs make it.
    ///
    /// # Errors
    /// When the inputs do not fit the graph or each other, or an operator refuses what it reads; the error names the node.
    pub fn run_all(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let graph = self.elastic.graph();
        let batch = check_inputs(graph, inputs)?;
        let plan = &self.plans[self.current];
        let device = self.backend.device();
        let mut sources = plan.views.clone();
        for (id, input) in graph.input_ids().into_iter().zip(inputs) {
            sources[id.0] = Some(upload(input, graph.node(id).facts[0].dtype, device.as_dispatch()));
        }
        let outputs = plan.program.run(&self.wiring, sources, batch, self.mode, &device)?;
        outputs.into_iter().map(download).collect()
    }

    /// The names of the nodes that run on their operator's own slow definition, because Burn has no such operator; there is a line in the log for
    /// each operator among them.
    pub fn slow_nodes(&self) -> Vec<&str> {
        let graph = self.elastic.graph();
        bridge::slow_nodes(graph).into_iter().map(|id| graph.node(id).name.as_str()).collect()
    }
}

/// The number of samples in the inputs, when they fit; 1 for a graph without batch.
pub(crate) fn check_inputs(graph: &Graph, inputs: &[Array]) -> Result<usize> {
    let ids = graph.input_ids();
    if ids.len() != inputs.len() {
        return Err(Error::new(graph.name(), format!("{} inputs, expected {}", inputs.len(), ids.len())));
    }
    let facts: Vec<&Fact> = ids.iter().map(|&id| &graph.node(id).facts[0]).collect();
    let batch = facts.iter().zip(inputs).find_map(|(fact, input)| samples(fact, input)).unwrap_or(1);
    for ((&id, fact), input) in ids.iter().zip(&facts).zip(inputs) {
        let name = &graph.node(id).name;
        if batch == 0 || input.shape() != fact.shape_at(batch) {
            return Err(Error::new(name, format!("{:?}, expected {fact}", input.shape())));
        }
        check_words(name, fact, input)?;
    }
    Ok(batch)
}

/// The samples that an input holds, when one of its axes follows the batch.
fn samples(fact: &Fact, input: &Array) -> Option<usize> {
    let axes = fact.shape.iter().zip(input.shape());
    axes.filter(|(dim, _)| dim.is_batch()).map(|(dim, &length)| length / dim.count().max(1)).next()
}

/// Whether an input of whole numbers holds only such.
fn check_words(name: &str, fact: &Fact, input: &Array) -> Result<()> {
    if fact.dtype == DType::F32 {
        return Ok(());
    }
    match input.data().iter().find(|word| word.fract() != 0.0) {
        Some(word) => Err(Error::new(name, format!("{word}, expected a whole number"))),
        None => Ok(()),
    }
}

/// Whether `weights` are those of the graph.
pub(crate) fn check_weights(elastic: &Elastic, weights: &Weights) -> Result<()> {
    for id in elastic.graph().parameter_ids() {
        let node = elastic.graph().node(id);
        let expected = node.facts[0].shape_at(1);
        match weights.get(&id) {
            Some(array) if array.shape() == expected => {}
            Some(array) => {
                return Err(Error::new(&node.name, format!("shape {:?}, expected {expected:?}", array.shape())));
            }
            None => return Err(Error::new(&node.name, "weights are missing")),
        }
    }
    Ok(())
}
