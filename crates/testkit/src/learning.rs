//! The law of training: what a setting leaves learns as the dense graph does with everything else set to zero.
use crate::elastic::ElasticCase;
use std::collections::BTreeMap;
use supple_graph::operators::{Constant, Where};
use supple_graph::training::{Gradients, Loss, Optimizer};
use supple_graph::{Array, DType, Density, Dim, Extent, Graph, Kept, NodeId, Setting, SiteId, Value, Weights};

/// Samples of a case.
const BATCH: usize = 2;
/// Updates that are compared.
const STEPS: usize = 2;
const RATE: f32 = 0.1;
const TOLERANCE: f64 = 1e-4;

/// What training came to.
struct Trained {
    losses: Vec<f32>,
    /// Each parameter with its own value and what the optimizer remembers of it.
    states: Vec<Vec<Array>>,
    untrainable: usize,
}

/// Whether a case learns alike in two ways: by the gradients and updates of the graph that its setting leaves, and by those of the dense graph that puts
/// zero in the place of everything which is left out. Losses are equal, and so are, of every parameter, the elements that are left and what the optimizer remembers of them.
/// Of the setting only what it chooses along axes counts. Where zeros have no gradient (a root, a logarithm), nothing is compared.
///
/// # Errors
/// The first difference, and where.
pub fn check_learning(case: &ElasticCase, loss: Loss, optimizer: &Optimizer) -> Result<(), String> {
    let setting = along_axes(case);
    let elastic = &case.elastic;
    let text = |error: supple_graph::Error| error.to_string();
    let left = elastic.shrink_weights(&case.weights, &setting).map_err(text)?;
    let shrunk = trained(&elastic.shrink(&setting).map_err(text)?, left, case, loss, optimizer).map_err(text)?;
    let Some(masked) = Masked::of(case, &setting).map_err(text)? else { return Ok(()) };
    let (graph, weights) = (masked.graph, masked.weights);
    let masked = trained(&graph, weights, case, loss, optimizer).map_err(text)?;
    if !masked.is_finite() {
        return Ok(());
    }
    ensure(masked.untrainable == shrunk.untrainable, || "other parameters can be trained".to_owned())?;
    let losses = [&masked, &shrunk].map(|trained| Array::new(vec![STEPS], trained.losses.clone()).map_err(text));
    let [of_masked, of_shrunk] = losses;
    alike("losses", &of_masked?, &of_shrunk?)?;
    let gradients = Gradients::of(elastic.graph(), loss).map_err(text)?;
    for (at, &parameter) in gradients.by_parameter.keys().enumerate() {
        let extent = elastic.extent(Value { node: parameter, slot: 0 }, &setting).map_err(text)?;
        for (masked, shrunk) in masked.states[at].iter().zip(&shrunk.states[at]) {
            alike(&elastic.graph().node(parameter).name, &masked.select(&extent.kept), shrunk)?;
        }
    }
    Ok(())
}

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}

fn alike(name: &str, masked: &Array, shrunk: &Array) -> Result<(), String> {
    let size = shrunk.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    let equal = masked.shape() == shrunk.shape() && masked.distance(shrunk) <= TOLERANCE * size;
    ensure(equal, || format!("{name}: masked {masked:?}, shrunk {shrunk:?}"))
}

/// The setting with all weights and gradients of what it leaves of the axes.
fn along_axes(case: &ElasticCase) -> Setting {
    let sites = case.elastic.analysis().sites.iter().enumerate();
    let others = sites.filter(|(_, site)| !site.is_of_axes());
    others.fold(case.setting.clone(), |setting, (site, _)| setting.with(SiteId(site), Density::FULL))
}

fn trained(
    graph: &Graph,
    mut weights: Weights,
    case: &ElasticCase,
    loss: Loss,
    optimizer: &Optimizer,
) -> supple_graph::Result<Trained> {
    let targets = targets(graph, loss);
    let training = Gradients::of(graph, loss)?.with_updates(optimizer)?;
    let mut losses = Vec::new();
    weights = training.begin(weights);
    for step in 1..=STEPS {
        let mut inputs = vec![case.input.clone(), targets.clone(), Array::full(&[], RATE)];
        if matches!(optimizer, Optimizer::Adam(_)) {
            inputs.push(Array::full(&[], step as f32));
        }
        losses.push(training.step(&mut weights, &inputs)?);
    }
    let state = |node: &NodeId| weights[node].clone();
    let states = training.steps.iter().map(|step| step.before.iter().map(state).collect()).collect();
    Ok(Trained { losses, states, untrainable: training.untrainable.len() })
}

impl Trained {
    fn is_finite(&self) -> bool {
        let states = self.states.iter().flatten().flat_map(Array::data);
        states.chain(&self.losses).all(|v| v.is_finite())
    }
}

/// Targets that look random: numbers in [-1, 1), or classes.
fn targets(graph: &Graph, loss: Loss) -> Array {
    let shape = graph.outputs().first().and_then(|&output| graph.fact(output).ok()).map(|fact| fact.shape_at(BATCH));
    let mut shape = shape.unwrap_or_default();
    let classes = match loss {
        Loss::MeanSquare => None,
        Loss::CrossEntropy => shape.pop(),
    };
    let mut i = 0_u32;
    Array::from_fn(&shape, |_| {
        i += 1;
        let part = (0.618_034 * f64::from(i)).fract();
        classes.map_or(2.0 * part - 1.0, |classes| (part * classes as f64).floor()) as f32
    })
}

/// A graph in which everything that a setting leaves out is multiplied by zero.
struct Masked {
    graph: Graph,
    weights: Weights,
    values: BTreeMap<Value, Value>,
}

impl Masked {
    /// `None` where part of an axis that follows the batch is left out.
    fn of(case: &ElasticCase, setting: &Setting) -> supple_graph::Result<Option<Self>> {
        let dense = case.elastic.graph();
        let mut masked = Self { graph: Graph::new(dense.name()), weights: Weights::new(), values: BTreeMap::new() };
        for id in dense.ids() {
            let node = dense.node(id);
            let inputs: Vec<Value> = dense.inputs_of(id).iter().map(|value| masked.values[value]).collect();
            let added = masked.graph.add(&node.name, node.op.clone(), &inputs)?.node;
            masked.weights.extend(case.weights.get(&id).map(|weights| (added, weights.clone())));
            for value in dense.outputs_of(id) {
                let extent = case.elastic.extent(value, setting)?;
                let Some(left) = masked.left(Value { node: added, slot: value.slot }, &extent)? else {
                    return Ok(None);
                };
                masked.values.insert(value, left);
            }
        }
        let outputs = dense.outputs().iter().map(|value| masked.values[value]).collect();
        masked.graph.set_outputs(outputs);
        Ok(Some(masked))
    }

    /// A value, or zero where a mask says so: a product would not hide what is infinite there.
    fn left(&mut self, value: Value, extent: &Extent) -> supple_graph::Result<Option<Value>> {
        let whole = |(kept, dim): (&Kept, &Dim)| kept.count() == dim.count();
        let mut axes = extent.kept.iter().zip(&extent.dense.shape);
        if axes.clone().all(whole) || extent.dense.dtype != DType::F32 {
            return Ok(Some(value));
        }
        if axes.any(|(kept, dim)| dim.is_batch() && !whole((kept, dim))) {
            return Ok(None);
        }
        let name = format!("{}.{}.mask", self.graph.node(value.node).name, value.slot);
        let mask = self.graph.add(&name, Constant { value: mask(extent), dtype: DType::Bool }, &[])?;
        let zero = Constant { value: Array::full(&[], 0.0), dtype: DType::F32 };
        let zero = self.graph.add(format!("{name}.zero"), zero, &[])?;
        Ok(Some(self.graph.add(format!("{name}ed"), Where {}, &[mask, value, zero])?))
    }
}

/// One for what is left, zero for what is not; of length one along the batch.
fn mask(extent: &Extent) -> Array {
    let once = |dim: &Dim| if dim.is_batch() { 1 } else { dim.count() };
    let shape: Vec<usize> = extent.dense.shape.iter().map(once).collect();
    let left: Vec<Vec<usize>> = extent.kept.iter().map(|kept| kept.indices().collect()).collect();
    let batch = |axis: usize| extent.dense.shape[axis].is_batch();
    Array::from_fn(&shape, |index| {
        let is_left = |(axis, at): (usize, &usize)| batch(axis) || left[axis].binary_search(at).is_ok();
        if index.iter().enumerate().all(is_left) { 1.0 } else { 0.0 }
    })
}
