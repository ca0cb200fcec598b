//! Random graphs at random settings, and the laws of graphs and of their analysis.
use crate::graphs::graphs;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use std::slice::from_ref;
use supple_graph::{Array, Choice, DType, Density, Elastic, Fact, Graph, Op, Phase, Setting, SiteId, Value, Weights};

const BATCH: usize = 2;
const DENSITIES: usize = 8;
const TOLERANCE: f64 = 1e-5;

/// A graph at a setting, with weights and an input of two samples.
#[derive(Clone, Debug)]
pub struct ElasticCase {
    /// The graph with its sites.
    pub elastic: Elastic,
    /// Its weights.
    pub weights: Weights,
    /// Its input.
    pub input: Array,
    /// A choice for every site.
    pub setting: Setting,
}

/// Small random graphs at random settings: stacks of layers on vectors, convolutional networks with and without
/// GroupNorm, and attention. What a model may be made of is in them: residual sums, norms, softmax, gates, embeddings.
pub fn elastic_cases() -> impl Strategy<Value = ElasticCase> {
    graphs().prop_flat_map(|graph| elastic_cases_of(Elastic::new(graph).expect("random graphs are well-formed")))
}

/// Random weights, inputs and settings for a graph with one input.
pub fn elastic_cases_of(elastic: Elastic) -> impl Strategy<Value = ElasticCase> {
    vec(1..=1000u16, DENSITIES).prop_perturb(move |per_mille, mut rng| {
        let graph = elastic.graph();
        let weights = graph.parameter_ids().into_iter().map(|id| (id, floats(&graph.node(id).facts[0], &mut rng)));
        let (weights, input) = (weights.collect(), random_input(graph, &mut rng));
        let densities = per_mille.into_iter().filter_map(Density::new).cycle();
        let sites = elastic.analysis().sites.iter();
        let choices = sites.zip(densities).map(|(site, density)| {
            let kind = site.kinds[rng.next_u32() as usize % site.kinds.len()];
            Choice { kind, density }
        });
        let setting = Setting::new(choices.collect());
        ElasticCase { elastic: elastic.clone(), weights, input, setting }
    })
}

/// A float in [-1, 1).
fn uniform(rng: &mut TestRng) -> f32 {
    (f64::from(rng.next_u32()) / f64::from(1u32 << 31) - 1.0) as f32
}

fn floats(fact: &Fact, rng: &mut TestRng) -> Array {
    Array::from_fn(&fact.shape_at(BATCH), |_| uniform(rng))
}

/// An input that fits: of whole numbers, they are rows of every table.
fn random_input(graph: &Graph, rng: &mut TestRng) -> Array {
    let fact = graph.input_ids().first().map_or(Fact::fixed(&[0]), |id| graph.node(*id).facts[0].clone());
    if fact.dtype == DType::F32 {
        return floats(&fact, rng);
    }
    let tables = graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Embedding(_)));
    let words = tables.map(|id| graph.input_facts(id)[0].shape[0].count()).min().unwrap_or(1).max(1);
    Array::from_fn(&fact.shape_at(BATCH), |_| (rng.next_u32() as usize % words) as f32)
}

/// Whether a case keeps the laws of graphs and of their analysis: the graph survives JSON; every axis of every weight
/// is in a site, with a reason; what is left out equals what is zero; work never rises when a density falls; the
/// order of the units does not matter to the dense graph.
///
/// # Errors
/// The first law that is broken, and where.
pub fn check_elastic(case: &ElasticCase) -> Result<(), String> {
    [survives_json, every_weight_axis_has_a_verdict, masked_equals_shrunk, work_is_monotone, order_does_not_matter]
        .into_iter()
        .try_for_each(|law| law(case))
}

fn survives_json(case: &ElasticCase) -> Result<(), String> {
    let graph = case.elastic.graph();
    let read = Graph::from_json(&graph.to_json()).map_err(|error| format!("does not read its own JSON: {error}"))?;
    ensure(read == *graph, || "reads another graph from its own JSON".to_owned())
}

fn every_weight_axis_has_a_verdict(case: &ElasticCase) -> Result<(), String> {
    let (graph, analysis) = (case.elastic.graph(), case.elastic.analysis());
    let mut times = BTreeMap::<(Value, usize), usize>::new();
    for site in analysis.sites.iter().chain(&analysis.fixed) {
        ensure(!site.verdict.reason().is_empty(), || format!("site {} has no reason", site.name))?;
        site.members.iter().for_each(|member| *times.entry((member.value, member.axis)).or_default() += 1);
    }
    for node in graph.parameter_ids() {
        let name = &graph.node(node).name;
        for (axis, _) in graph.node(node).facts[0].shape.iter().enumerate().filter(|(_, dim)| dim.count() > 1) {
            let found = times.get(&(Value { node, slot: 0 }, axis)).copied().unwrap_or(0);
            ensure(found > 0, || format!("axis {axis} of {name} is in no site"))?;
        }
    }
    Ok(())
}

fn masked_equals_shrunk(case: &ElasticCase) -> Result<(), String> {
    let inputs = from_ref(&case.input);
    let masked = case.elastic.eval_masked(&case.weights, inputs, &case.setting).map_err(|e| e.to_string())?;
    let shrunk = || {
        case.elastic.shrink(&case.setting)?.eval(&case.elastic.shrink_weights(&case.weights, &case.setting)?, inputs)
    };
    let shrunk = shrunk().map_err(|error| error.to_string())?;
    ensure(close(&masked, &shrunk), || format!("masked {masked:?}, shrunk {shrunk:?}"))
}

fn close(a: &[Array], b: &[Array]) -> bool {
    let size = |array: &Array| array.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    let finite = |array: &Array| array.data().iter().all(|v| v.is_finite());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| finite(a) && finite(b) && a.distance(b) <= TOLERANCE * size(a))
}

fn work_is_monotone(case: &ElasticCase) -> Result<(), String> {
    let dense = case.elastic.analysis().dense();
    let halved = (0..case.setting.choices().len()).fold(case.setting.clone(), |setting, i| {
        let half = Density::new((setting.density(SiteId(i)).per_mille() / 2).max(1)).unwrap_or_default();
        setting.with(SiteId(i), half)
    });
    for phase in Phase::ALL {
        let work = |setting| case.elastic.work(setting, BATCH, phase).map_err(|error| error.to_string());
        let full = case.elastic.graph().work(BATCH, phase);
        let (all, some, less) = (work(&dense)?, work(&case.setting)?, work(&halved)?);
        ensure(full == all, || format!("{phase:?}: the dense graph does {full:?}, at 1000 per mille {all:?}"))?;
        for (low, high) in [(less, some), (some, all)] {
            let rises = low.flops > high.flops || low.moved > high.moved || low.resident > high.resident;
            ensure(!rises, || format!("{phase:?}: work rises from {high:?} to {low:?} when densities fall"))?;
        }
    }
    Ok(())
}

fn order_does_not_matter(case: &ElasticCase) -> Result<(), String> {
    if case.elastic.has_sparse_constants() {
        return Ok(());
    }
    let ordered = case.elastic.in_order_of_importance(&case.weights);
    let eval = |weights| case.elastic.graph().eval(weights, from_ref(&case.input));
    let (before, after) = (eval(&case.weights).map_err(|e| e.to_string())?, eval(&ordered).map_err(|e| e.to_string())?);
    ensure(close(&before, &after), || format!("{before:?} before the units were put in order, {after:?} after"))
}

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}
