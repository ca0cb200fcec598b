//! Every operator on Burn against its own slow truth: outputs, and where weights learn through it, gradients.
#[path = "operators/cases.rs"]
mod cases;

use cases::{Case, Fill, learning, native, slow};
use proptest::prelude::*;
use std::sync::Arc;
use supple_executor::{AdamConfig, Backend, Batch, Executor, Trainer};
use supple_graph::operators::Reshape;
use supple_graph::{Array, Dim, Elastic, Graph, NodeId, Operator, Value, Weights};

const TOLERANCE: f64 = 1e-4;

/// A graph of one operator, whose operands come with each call.
fn graph(case: &Case) -> Graph {
    let mut graph = Graph::new("one operator");
    let inputs: Vec<Value> =
        case.operands.iter().enumerate().map(|(i, o)| graph.input(&format!("x{i}"), o.fact.clone()).unwrap()).collect();
    let made = graph.add("op", case.op.clone(), &inputs).unwrap();
    let slots = graph.node(made.node).facts.len();
    graph.set_outputs((0..slots).map(|slot| Value { node: made.node, slot }).collect());
    graph
}

fn close(found: &Array, expected: &Array) -> bool {
    let size = expected.data().iter().filter(|v| v.is_finite()).fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    let near =
        |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan()) || f64::from((a - b).abs()) <= TOLERANCE * size;
    found.shape() == expected.shape() && found.data().iter().zip(expected.data()).all(near)
}

fn outputs_agree(case: &Case, is_slow: bool) -> Result<(), TestCaseError> {
    let graph = graph(case);
    let inputs = case.arrays();
    let truth = graph.eval(&Weights::new(), &inputs).unwrap();
    for &backend in Backend::ALL {
        for kernels in [true, false] {
            let elastic = Arc::new(Elastic::new(graph.clone()).unwrap());
            let executor = Executor::new(elastic, &Weights::new(), backend).unwrap().with_kernels(kernels);
            prop_assert_eq!(executor.slow_nodes().len(), usize::from(is_slow), "{:?}", case.op);
            let found = executor.run_all(&inputs).unwrap();
            prop_assert_eq!(found.len(), truth.len());
            for (found, truth) in found.iter().zip(&truth) {
                prop_assert!(close(found, truth), "{backend}: {case:?}: {found:?}, not {truth:?}");
            }
        }
    }
    Ok(())
}

/// The operator on trained operands, its elements as logits of one sample.
fn trained(case: &Case) -> (Graph, Weights) {
    let mut graph = Graph::new("learning");
    graph.input("unused", supple_graph::Fact::f32([Dim::Batch(1)])).unwrap();
    let mut weights = Weights::new();
    let operands: Vec<Value> = case
        .operands
        .iter()
        .zip(case.arrays())
        .enumerate()
        .map(|(i, (operand, array))| match operand.fill {
            Fill::Words(_) | Fill::Counts(_) | Fill::Flags => {
                let constant = supple_graph::operators::Constant { value: array, dtype: operand.fact.dtype };
                graph.add(format!("c{i}"), constant, &[]).unwrap()
            }
            _ => {
                let value = graph.parameter(&format!("w{i}"), operand.fact.clone()).unwrap();
                weights.insert(value.node, array);
                value
            }
        })
        .collect();
    let made = graph.add("op", case.op.clone(), &operands).unwrap();
    let elements = graph.fact(made).unwrap().elements() as usize;
    let logits = Reshape { to: vec![Dim::Fixed(1), Dim::Fixed(elements)] };
    let logits = graph.add("logits", logits, &[made]).unwrap();
    graph.set_outputs(vec![logits]);
    (graph, weights)
}

fn loss(graph: &Graph, weights: &Weights, batch: &Batch) -> f64 {
    let logits = graph.eval(weights, std::slice::from_ref(&batch.input)).unwrap();
    batch.cross_entropy(&logits[0]).unwrap().0
}

/// The slopes of the loss along one element, below it and above: they differ where the operator has a kink.
fn slopes(graph: &Graph, weights: &Weights, batch: &Batch, (node, at): (NodeId, usize)) -> [f64; 2] {
    const STEP: f32 = 2e-3;
    let moved = |step: f32| {
        let mut weights = weights.clone();
        if let Some(array) = weights.get_mut(&node) {
            array.data_mut()[at] += step;
        }
        loss(graph, &weights, batch)
    };
    let [below, here, above] = [-STEP, 0.0, STEP].map(moved);
    [here - below, above - here].map(|rise| rise / f64::from(STEP))
}

fn gradients_agree(case: &Case) -> Result<(), TestCaseError> {
    let (graph, weights) = trained(case);
    let batch = Batch { input: Array::full(&[1], 0.0), targets: vec![0], per_row: 1, exact: false };
    for &backend in Backend::ALL {
        let elastic = Arc::new(Elastic::new(graph.clone()).unwrap());
        let dense = elastic.analysis().dense();
        let trainer = Trainer::new(elastic, &weights, AdamConfig::default(), backend).unwrap();
        let (found, gradients) = trainer.gradients(&batch, &dense).unwrap();
        prop_assert!((found - loss(&graph, &weights, &batch)).abs() < 1e-3 * found.abs().max(1.0), "{case:?}");
        for (&node, gradient) in &gradients {
            let largest = gradient.data().iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            let Some((at, &gradient)) = largest else { continue };
            let [below, above] = slopes(&graph, &weights, &batch, (node, at));
            let nearest = f64::from(gradient).clamp(below.min(above), below.max(above));
            let error = (nearest - f64::from(gradient)).abs();
            prop_assert!(
                error < 4e-3 + 0.03 * nearest.abs(),
                "{backend}: {case:?}, w{node:?}[{at}]: {gradient}, not between {below} and {above}"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1200))]

    #[test]
    fn what_burn_computes_equals_the_slow_truth(case in native()) {
        outputs_agree(&case, false)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_burn_has_not_runs_on_the_slow_truth(case in slow()) {
        outputs_agree(&case, true)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn gradients_equal_the_slopes_of_the_slow_truth(case in learning()) {
        gradients_agree(&case)?;
    }
}

#[test]
fn every_operator_has_a_name_in_errors() {
    let case = Case::of(supple_graph::operators::Matmul {}, &[&[2, 3], &[3, 2]]);
    assert_eq!(case.op.name(), "matmul");
}
