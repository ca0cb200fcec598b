//! Runs one set of weights at any prepared setting.
use crate::bridge::{self, Mode};
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::layers::has_kernels;
use crate::tensor::{Any, download, prefix, upload};
use std::sync::Arc;
use supple_graph::{Array, DType, Elastic, Fact, Graph, NodeId, Op, Setting, Value, Weights};

/// What a setting needs ready: views into the weights, and the facts of all values.
#[derive(Debug)]
struct Plan {
    setting: Setting,
    views: Vec<Option<Any>>,
    facts: Vec<Fact>,
}

/// A graph on a device, with one copy of its weights and a plan for each prepared setting.
///
/// Weights stand in order of importance, so that every setting is a prefix: a plan holds views, not copies.
#[derive(Debug)]
pub struct Executor {
    elastic: Arc<Elastic>,
    backend: Backend,
    mode: Mode,
    full: Vec<Option<Any>>,
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
        let mode = Mode { kernels: has_kernels(backend), fuse: true, threads: 1 };
        let mut this = Self { elastic, backend, mode, full, plans: Vec::new(), current: 0 };
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

    /// Whether our own kernels may replace Burn's operators; they may by default.
    #[must_use]
    pub fn with_kernels(mut self, kernels: bool) -> Self {
        self.mode.kernels = kernels && has_kernels(self.backend);
        self
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
        let graph = self.elastic.graph();
        let kept = |id| self.elastic.kept_shape(Value { node: id, slot: 0 }, setting);
        let facts = graph.ids().map(kept).collect::<supple_graph::Result<Vec<Fact>>>()?;
        let view = |(full, fact): (&Option<Any>, &Fact)| {
            let float = fact.dtype == DType::F32;
            full.clone().map(|tensor| if float { prefix(tensor, &fact.shape_at(1)) } else { tensor })
        };
        let views = self.full.iter().zip(&facts).map(view).collect();
        self.plans.push(Plan { setting: setting.clone(), views, facts });
        Ok(())
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

    /// The output for an input whose first axis is the batch.
    ///
    /// # Errors
    /// When the input does not fit the graph.
    pub fn run(&self, input: &Array) -> Result<Array> {
        let graph = self.elastic.graph();
        let (id, batch) = check_input(graph, input)?;
        let plan = &self.plans[self.current];
        let mut sources = plan.views.clone();
        let dtype = graph.node(id).facts[0].dtype;
        sources[id.0] = Some(upload(input, dtype, self.backend.device().as_dispatch()));
        download(bridge::forward(graph, &plan.facts, sources, batch, self.mode)?)
    }
}

/// The node of the graph's input and the number of samples in `input`, when it fits.
pub(crate) fn check_input(graph: &Graph, input: &Array) -> Result<(NodeId, usize)> {
    let id = *graph.input_ids().first().ok_or_else(|| Error::new(graph.name(), "has no input"))?;
    let fact = &graph.node(id).facts[0];
    let samples = input.shape().first().copied().unwrap_or(0);
    if samples == 0 || input.shape() != fact.shape_at(samples) {
        return Err(Error::new("input", format!("{:?}, expected {fact}", input.shape())));
    }
    match foreign_word(graph, id, input) {
        Some((word, rows)) => {
            Err(Error::new("input", format!("index {word}, expected 0 to {}", rows.saturating_sub(1))))
        }
        None => Ok((id, samples)),
    }
}

/// A number of the input that is no row of a table it indexes, and the rows of the smallest.
fn foreign_word(graph: &Graph, input_id: NodeId, input: &Array) -> Option<(f32, usize)> {
    let reads_input = |id: &NodeId| graph.inputs_of(*id).get(1).is_some_and(|value| value.node == input_id);
    let tables = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Embedding(_)));
    let rows = tables.filter(reads_input).map(|id| graph.input_facts(id)[0].shape[0].count()).min()?;
    let foreign = input.data().iter().copied().find(|word| !(0.0..rows as f32).contains(word))?;
    Some((foreign, rows))
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
