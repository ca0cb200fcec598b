//! Nested training: one set of weights that is good at every density.
use crate::adam::{AdamConfig, SLOTS, Slots};
use crate::bridge::{self, BreakEven, Program, Thinned, Wiring, pays};
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::executor::{check_inputs, check_weights};
use crate::families::{Mode, Top};
use crate::layers::{has_kernels, pack};
use crate::loss::{Batch, cross_entropy, rows};
use crate::region::Region;
use crate::tensor::{Any, download, lengths, upload};
pub use crate::thinning::THINNING_STEPS;
use crate::thinning::{Left, There, Thinning};
use burn::backend::ops::{ActivationOps, BoolTensorOps, FloatTensorOps};
use burn::backend::{AutodiffBackend, Dispatch};
use burn::tensor::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;
use supple_graph::{Array, DType, Elastic, NodeId, Op, Setting, SiteId, Weights};

/// Gradients of the parameters, each of the shape of its prefix.
pub type Gradients = BTreeMap<NodeId, Array>;

/// Trains the weights of a graph on prefixes of its sites.
#[derive(Debug)]
pub struct Trainer {
    elastic: Arc<Elastic>,
    wiring: Wiring,
    backend: Backend,
    config: AdamConfig,
    mode: Mode,
    break_even: BreakEven,
    parameters: BTreeMap<NodeId, (Any, Slots)>,
    thinning: Thinning,
}

/// Loss and gradients of one pass.
struct Pass {
    loss: f64,
    logits: Any,
    gradients: BTreeMap<NodeId, Part>,
}

/// The gradient of what a setting leaves of a parameter.
struct Part {
    region: Region,
    /// True where a weight within the region is there; without it, all are.
    there: Option<There>,
    gradient: Any,
}

impl Trainer {
    /// A trainer that starts from `weights`.
    ///
    /// # Errors
    /// When weights are missing or have another shape than the graph's, or no gradient goes through an operator between weights and output.
    pub fn new(elastic: Arc<Elastic>, weights: &Weights, config: AdamConfig, backend: Backend) -> Result<Self> {
        check_weights(&elastic, weights)?;
        bridge::check_gradients(elastic.graph())?;
        let device = backend.device();
        let parameter = |id| {
            let array = &weights[&id];
            let slots = Slots::new(array.shape(), device.as_dispatch());
            (id, (upload(array, DType::F32, device.as_dispatch()), slots))
        };
        let parameters = elastic.graph().parameter_ids().into_iter().map(parameter).collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mode = Mode { kernels: has_kernels(backend), threads };
        let wiring = Wiring::of(elastic.graph());
        let (break_even, thinning) = (BreakEven::new(), Thinning::default());
        Ok(Self { elastic, wiring, backend, config, mode, break_even, parameters, thinning })
    }

    /// Runs with this many threads where our own kernels compute, by default one for each processor; Burn's operators use rayon's pool.
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

    /// Chooses anew every so many steps, 1 or more, which weights are left where a setting thins out within layers; [`THINNING_STEPS`] by default. In
    /// between, a setting leaves the same weights as at the step that first met it.
    #[must_use]
    pub fn with_thinning_every(mut self, steps: usize) -> Self {
        self.thinning = Thinning::every(steps);
        self
    }

    /// Chooses at the next step which weights are left, as a trainer does that starts from the present [`weights`](Self::weights) and
    /// [`slots`](Self::slots).
    pub fn thin_anew(&mut self) {
        self.thinning.forget();
    }

    /// Up to which density blocks of weights are packed, where that was measured.
    pub fn set_break_even(&mut self, limits: BreakEven) {
        self.break_even = limits;
    }

    /// Threads where our own kernels compute; `None` where Burn's operators do.
    pub fn kernel_threads(&self) -> Option<usize> {
        self.mode.kernels.then_some(self.mode.threads)
    }

    /// The graph and its sites.
    pub fn elastic(&self) -> &Arc<Elastic> {
        &self.elastic
    }

    /// Sets the step size.
    pub fn set_rate(&mut self, rate: f64) {
        self.config.rate = rate;
    }

    /// One step: the first setting learns from the targets; the others learn from the first one's outputs as well (in-place distillation, Yu &
    /// Huang 2019). Gradients add up and every weight that some setting kept moves once. Returns the loss of each setting.
    ///
    /// # Errors
    /// When the batch does not fit the graph or a setting has not one choice a site.
    pub fn step(&mut self, batch: &Batch, settings: &[Setting]) -> Result<Vec<f64>> {
        let mut thinning = std::mem::take(&mut self.thinning);
        thinning.step();
        let losses = self.step_thinned(&mut thinning, batch, settings);
        self.thinning = thinning;
        losses
    }

    fn step_thinned(&mut self, thinning: &mut Thinning, batch: &Batch, settings: &[Setting]) -> Result<Vec<f64>> {
        let Some((first, rest)) = settings.split_first() else { return Ok(Vec::new()) };
        let teacher = self.pass(thinning, batch, first, None)?;
        let probabilities = Dispatch::softmax(teacher.logits, 1);
        let mut losses = vec![teacher.loss];
        let mut total = teacher.gradients;
        for setting in rest {
            let pass = self.pass(thinning, batch, setting, Some(&probabilities))?;
            losses.push(pass.loss);
            for (id, part) in pass.gradients {
                add_part(&mut total, id, part);
            }
        }
        if self.mode.kernels {
            total.values_mut().filter_map(|part| part.there.as_mut()).try_for_each(There::read)?;
        }
        let scale = 1.0 / settings.len() as f64;
        for (id, Part { region, there, gradient }) in total {
            let gradient = if rest.is_empty() { gradient } else { Dispatch::float_mul_scalar(gradient, scale.into()) };
            if let Some((weight, slots)) = self.parameters.remove(&id) {
                let moved = slots.step(weight, gradient, (&region, there.as_ref()), &self.config, self.mode)?;
                self.parameters.insert(id, moved);
            }
        }
        Ok(losses)
    }

    /// Loss and gradients at one setting of the weights as they are now, against the targets, without a step.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn gradients(&self, batch: &Batch, setting: &Setting) -> Result<(f64, Gradients)> {
        let pass = self.pass(&mut Thinning::default(), batch, setting, None)?;
        let gradients = pass.gradients.into_iter().map(|(id, part)| Ok((id, download(part.gradient)?)));
        Ok((pass.loss, gradients.collect::<Result<_>>()?))
    }

    fn pass(&self, thinning: &mut Thinning, batch: &Batch, setting: &Setting, teacher: Option<&Any>) -> Result<Pass> {
        let graph = self.elastic.graph();
        let samples = check_inputs(graph, std::slice::from_ref(&batch.input))?;
        let device = self.backend.device().autodiff();
        let mut program = Program::of(&self.elastic, setting)?;
        let mut sources: Vec<Option<Any>> = vec![None; graph.len()];
        let mut leaves = Vec::with_capacity(self.parameters.len());
        for (&id, (weight, _)) in &self.parameters {
            let view = program.keep(id, weight.clone());
            let leaf = Dispatch::float_set_require_grad(<Dispatch as AutodiffBackend>::from_inner(view), true);
            sources[id.0] = Some(leaf.clone());
            leaves.push((id, leaf));
        }
        for (layer, top) in self.tops(setting)? {
            program.thin_gradient(layer, top);
        }
        let mut there = BTreeMap::new();
        for thinned in program.thinned() {
            let Some(leaf) = sources[thinned.weight.0].take() else { continue };
            let (mask, weights) = self.thin(thinning, &mut program, &thinned, leaf)?;
            there.insert(thinned.weight, mask);
            sources[thinned.weight.0] = Some(weights);
        }
        for id in graph.ids() {
            let (value, dtype) = match &graph.node(id).op {
                Op::Input(input) => (&batch.input, input.fact.dtype),
                Op::Constant(constant) => (&constant.value, constant.dtype),
                _ => continue,
            };
            sources[id.0] = Some(program.keep(id, upload(value, dtype, device.as_dispatch())));
        }
        let mut outputs = program.run(&self.wiring, sources, samples, self.mode, &device)?.into_iter();
        let logits = outputs.next().ok_or_else(|| Error::new(graph.name(), "has no output"))?;
        let logits = rows(logits);
        let shape = lengths(&logits);
        if shape[0] != batch.targets.len() {
            return Err(Error::new("targets", format!("{} rows, expected {}", batch.targets.len(), shape[0])));
        }
        let (hard, counted) = batch.one_hot(shape[1], device.as_dispatch())?;
        let target = match teacher {
            Some(soft) => blend(hard, <Dispatch as AutodiffBackend>::from_inner(soft.clone()), batch),
            None => hard,
        };
        let loss = cross_entropy(logits.clone(), target, counted);
        let inner = <Dispatch as AutodiffBackend>::inner(logits);
        let value = Tensor::<1>::from_dispatch(<Dispatch as AutodiffBackend>::inner(loss.clone())).into_scalar::<f32>();
        let found = <Dispatch as AutodiffBackend>::backward(loss);
        let gradients = leaves.into_iter().filter_map(|(id, leaf)| {
            let gradient = <Dispatch as AutodiffBackend>::grad(&leaf, &found)?;
            Some((id, Part { region: program.region(id)?.clone(), there: there.remove(&id), gradient }))
        });
        Ok(Pass { loss: f64::from(value), logits: inner, gradients: gradients.collect() })
    }

    /// What comes back to the layers whose gradients a setting thins out, by products of that alone where these are faster.
    fn tops(&self, setting: &Setting) -> Result<Vec<(NodeId, Top)>> {
        let counts = self.elastic.tops(setting)?;
        if !counts.is_empty() && !has_kernels(self.backend) {
            return Err(Error::new("gradient", format!("is not thinned out on {}", self.backend)));
        }
        let top = |&(layer, site): &(NodeId, SiteId)| {
            let (&count, choice) = (counts.get(&layer)?, setting.choice(site)?);
            Some((layer, Top { count, alone: pays(&self.break_even, site, choice) }))
        };
        Ok(self.elastic.analysis().gradients().iter().filter_map(top).collect())
    }

    /// Where weights are left within a layer, and the weights as the layer is to take them: packed, or with zeros where that is not slower.
    fn thin(
        &self,
        thinning: &mut Thinning,
        program: &mut Program,
        thinned: &Thinned,
        leaf: Any,
    ) -> Result<(There, Any)> {
        let weights = <Dispatch as AutodiffBackend>::inner(leaf.clone());
        let Left { blocks, there, mask } =
            thinning.left(thinned, program.region(thinned.weight), weights, self.backend)?;
        let pays = self.mode.kernels && thinned.pays(&self.break_even);
        let weights = match pays.then(|| pack(&leaf, blocks.clone())).flatten() {
            Some(values) => {
                program.pack(thinned.layer, blocks);
                values
            }
            None => Dispatch::float_mul(leaf, mask),
        };
        Ok((there, weights))
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// When the backend fails to read them back.
    pub fn weights(&self) -> Result<Weights> {
        self.parameters.iter().map(|(&id, (weight, _))| Ok((id, download(weight.clone())?))).collect()
    }

    /// The optimizer's memory by the name of the parameter and of the slot.
    ///
    /// # Errors
    /// When the backend fails to read it back.
    pub fn slots(&self) -> Result<BTreeMap<String, Array>> {
        let mut slots = BTreeMap::new();
        for (&id, (_, memory)) in &self.parameters {
            for (slot, tensor) in SLOTS.iter().zip(memory.tensors()) {
                slots.insert(format!("{}#{slot}", self.elastic.graph().node(id).name), download(tensor.clone())?);
            }
        }
        Ok(slots)
    }

    /// Puts back what [`slots`](Self::slots) gave.
    ///
    /// # Errors
    /// When one is missing or has another shape than its parameter.
    pub fn restore_slots(&mut self, slots: &BTreeMap<String, Array>) -> Result<()> {
        let device = self.backend.device();
        for (&id, (weight, memory)) in &mut self.parameters {
            let name = &self.elastic.graph().node(id).name;
            let read = |slot: &str| -> Result<Any> {
                let array = slots.get(&format!("{name}#{slot}")).filter(|array| array.shape() == lengths(weight));
                let array =
                    array.ok_or_else(|| Error::new(name, format!("optimizer slot {slot} is missing or misshapen")))?;
                Ok(upload(array, DType::F32, device.as_dispatch()))
            };
            *memory = Slots::of([read(SLOTS[0])?, read(SLOTS[1])?, read(SLOTS[2])?, read(SLOTS[3])?]);
        }
        Ok(())
    }
}

/// Half the targets, half the teacher, on the rows that count.
fn blend(hard: Any, soft: Any, batch: &Batch) -> Any {
    let half = |tensor| Dispatch::float_mul_scalar(tensor, 0.5.into());
    let soft = if batch.targets.contains(&crate::loss::IGNORED) {
        let counted = Dispatch::float_sum_dim(hard.clone(), 1);
        Dispatch::float_mul(soft, counted)
    } else {
        soft
    };
    Dispatch::float_add(half(hard), half(soft))
}

/// Adds a gradient to its part of what is there, whose region must hold all of it.
fn add_part(total: &mut BTreeMap<NodeId, Part>, id: NodeId, part: Part) {
    let Some(mut sum) = total.remove(&id) else {
        total.insert(id, part);
        return;
    };
    let inner = part.region.within(&sum.region);
    let added = Dispatch::float_add(inner.keep(sum.gradient.clone()), part.gradient);
    sum.gradient = inner.put(sum.gradient, added);
    sum.there = sum.there.map(|there| {
        let old = inner.keep(there.tensor.clone());
        let either = match part.there {
            Some(more) => Dispatch::bool_or(old, more.tensor),
            None => Dispatch::bool_or(old.clone(), Dispatch::bool_not(old)),
        };
        inner.put(there.tensor, either).into()
    });
    total.insert(id, sum);
}
