//! Rewritten graphs compute what they computed before, and keep the laws.
use proptest::prelude::*;
use proptest::sample::select;
use std::slice::from_ref;
use supple_graph::operators::{
    Attention, Binary, BinaryFunction, Constant, Cut, Expand, Linear, Matmul, Op, Permute, Reduce, Reduction, Reshape,
    Scalar, Slice, Softmax, Split, Where,
};
use supple_graph::rewrites::rewritten;
use supple_graph::{Array, DType, Dim, Elastic, Fact, Graph, Value, Weights};
use supple_testkit::{check_elastic, elastic_cases, elastic_cases_of};

/// What lies on the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Masks {
    None,
    Added,
    /// This number stands where a condition says so.
    Chosen(f32),
    /// The condition is computed from the input.
    Computed,
    Both,
    /// Added to scores with an axis more, which is gone behind it.
    Apart,
}

#[derive(Debug)]
/// Attention with two heads on four tokens of five features, its projections packed in one weight.
struct Plan {
    /// Of the scores; of one where it stands on queries and keys.
    scale: [f32; 2],
    /// Whether the scale is an operator of its own kind, or a product or quotient with a constant.
    scalar: bool,
    divided: bool,
    masks: Masks,
    /// Whether a mask that is added comes first, and one that is chosen holds where tokens are hidden.
    mask_first: bool,
    /// Whether the scores are an output, too.
    read: bool,
}

fn plans() -> impl Strategy<Value = Plan> {
    let masks = [
        Masks::None,
        Masks::Added,
        Masks::Chosen(-1e9),
        Masks::Chosen(f32::NEG_INFINITY),
        Masks::Computed,
        Masks::Both,
        Masks::Apart,
    ];
    let of = (0.5_f32..2.0, 0.5_f32..2.0, select(masks.to_vec()));
    (of, any::<[bool; 4]>()).prop_map(|((a, b, masks), [scalar, divided, mask_first, read])| Plan {
        scale: [a, b],
        scalar,
        divided,
        masks,
        mask_first,
        read,
    })
}

fn constant(graph: &mut Graph, name: &str, value: Array) -> Value {
    graph.add(name, Constant { value, dtype: DType::F32 }, &[]).unwrap()
}

fn scaled(graph: &mut Graph, name: &str, x: Value, factor: f32, plan: &Plan) -> Value {
    if plan.scalar {
        return graph.add(name, Scalar { scale: f64::from(factor), shift: 0.0 }, &[x]).unwrap();
    }
    let (function, number) =
        if plan.divided { (BinaryFunction::Div, 1.0 / factor) } else { (BinaryFunction::Mul, factor) };
    let number = constant(graph, &format!("{name}/number"), Array::full(&[1], number));
    graph.add(name, Binary { function }, &[x, number]).unwrap()
}

fn masked(graph: &mut Graph, scores: Value, x: Value, plan: &Plan) -> Value {
    let later = Array::from_fn(&[4, 4], |at| f32::from(at[1] > at[0]));
    let mut scores = scores;
    if matches!(plan.masks, Masks::Added | Masks::Both) {
        let mask = constant(graph, "bias", later.map(|later| -9.0 * later));
        let pair = if plan.mask_first { [mask, scores] } else { [scores, mask] };
        scores = graph.add("biased", Binary { function: BinaryFunction::Add }, &pair).unwrap();
    }
    if plan.masks == Masks::Apart {
        return masked_apart(graph, scores, &later, plan.mask_first);
    }
    let hidden = match plan.masks {
        Masks::Apart | Masks::None | Masks::Added => return scores,
        Masks::Chosen(hidden) => hidden,
        Masks::Computed | Masks::Both => f32::NEG_INFINITY,
    };
    let condition = if plan.masks == Masks::Computed {
        first_feature_is_large(graph, x, plan.mask_first)
    } else {
        let holds = later.map(|later| f64::from((later == 1.0) == plan.mask_first));
        graph.add("causal", Constant { value: holds, dtype: DType::Bool }, &[]).unwrap()
    };
    let hidden = constant(graph, "hidden", Array::full(&[], hidden));
    let pair = if plan.mask_first { [hidden, scores] } else { [scores, hidden] };
    graph.add("masked", Where {}, &[condition, pair[0], pair[1]]).unwrap()
}

/// A mask of two heads, or of all alike, on scores whose heads and samples have an axis between them.
fn masked_apart(graph: &mut Graph, scores: Value, later: &Array, alike: bool) -> Value {
    let heads = if alike { 1 } else { 2 };
    let mask = Array::from_fn(&[heads, 1, 4, 4], |at| (at[0] as f32 - 9.0) * later.at(&at[2..]));
    let mask = constant(graph, "mask", mask);
    let joined = graph.fact(scores).unwrap().shape.clone();
    let [batch, two, rest @ ..] = &joined[..] else { unreachable!("scores have heads") };
    let apart = [&[*batch, *two, Dim::Fixed(1)], rest].concat();
    let scores = graph.add("apart", Reshape { to: apart }, &[scores]).unwrap();
    let scores = graph.add("masked", Binary { function: BinaryFunction::Add }, &[mask, scores]).unwrap();
    graph.add("joined", Reshape { to: joined }, &[scores]).unwrap()
}

/// For each token whether its first feature is large, or not; never for all of them.
fn first_feature_is_large(graph: &mut Graph, x: Value, hides: bool) -> Value {
    let cut = Cut { axis: 2, start: 0, end: 1, step: 1 };
    let first = graph.add("first", Slice { cuts: vec![cut] }, &[x]).unwrap();
    let flat = Reshape { to: [Dim::Batch(1)].into_iter().chain([1, 1, 4].map(Dim::Fixed)).collect() };
    let flat = graph.add("tokens", flat, &[first]).unwrap();
    let mean = graph.add("mean", Reduce { reduction: Reduction::Mean, axes: vec![3], keep: true }, &[flat]).unwrap();
    let function = if hides { BinaryFunction::Greater } else { BinaryFunction::LessOrEqual };
    graph.add("condition", Binary { function }, &[flat, mean]).unwrap()
}

fn written_out(plan: &Plan) -> Graph {
    let mut graph = Graph::new("attention");
    let x = graph.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(5)])).unwrap();
    let w = graph.parameter("in.weight", Fact::fixed(&[5, 18])).unwrap();
    let all = graph.add("in", Linear::default(), &[x, w]).unwrap();
    let split = graph.add("split", Split { axis: 2, lengths: vec![6; 3] }, &[all]).unwrap();
    let to = vec![Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(2), Dim::Fixed(3)];
    let orders = [vec![0, 2, 1, 3], vec![0, 2, 3, 1], vec![0, 2, 1, 3]];
    let mut slot = 0;
    let [q, k, v] = orders.map(|order| {
        let part = Value { slot, ..split };
        slot += 1;
        let heads = graph.add(format!("heads{slot}"), Reshape { to: to.clone() }, &[part]).unwrap();
        graph.add(format!("turned{slot}"), Permute { order }, &[heads]).unwrap()
    });
    let q = scaled(&mut graph, "q", q, plan.scale[0], plan);
    let mut scores = graph.add("scores", Matmul {}, &[q, k]).unwrap();
    let product = scores;
    scores = scaled(&mut graph, "scaled", scores, plan.scale[1], plan);
    scores = masked(&mut graph, scores, x, plan);
    let soft = graph.add("soft", Softmax { axis: 3 }, &[scores]).unwrap();
    let mixed = graph.add("mixed", Matmul {}, &[soft, v]).unwrap();
    let back = graph.add("back", Permute { order: vec![0, 2, 1, 3] }, &[mixed]).unwrap();
    let flat = graph.add("flat", Reshape { to: vec![to[0], to[1], Dim::Fixed(6)] }, &[back]).unwrap();
    let w = graph.parameter("out.weight", Fact::fixed(&[6, 3])).unwrap();
    let y = graph.add("y", Linear::default(), &[flat, w]).unwrap();
    graph.set_outputs(if plan.read { vec![y, product] } else { vec![y] });
    graph
}

fn attentions(graph: &Graph) -> Vec<&Attention> {
    let attention = |id| match &graph.node(id).op {
        Op::Attention(attention) => Some(attention),
        _ => None,
    };
    graph.ids().filter_map(attention).collect()
}

fn close(before: &[Array], after: &[Array]) -> bool {
    let size = |array: &Array| array.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| a.distance(b) <= 1e-5 * size(a))
}

fn outputs_stay(graph: &Graph, weights: &Weights, input: &Array) -> Result<Graph, TestCaseError> {
    let before = graph.eval(weights, from_ref(input)).unwrap();
    let (rewritten, weights) = rewritten(graph.clone(), weights.clone()).unwrap();
    prop_assert_eq!(rewritten.check(), Ok(()));
    let after = rewritten.eval(&weights, from_ref(input)).unwrap();
    prop_assert!(close(&before, &after), "{:?} before, {:?} after", before, after);
    Ok(rewritten)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_compute_what_they_did(case in elastic_cases()) {
        let graph = outputs_stay(case.elastic.graph(), &case.weights, &case.input)?;
        let soft = |graph: &Graph| graph.ids().filter(|&id| matches!(graph.node(id).op, Op::Softmax(_))).count();
        let found = attentions(&graph).len() - attentions(case.elastic.graph()).len();
        prop_assert_eq!(soft(&graph) + found, soft(case.elastic.graph()));
    }

    #[test]
    fn attention_is_recognised_however_it_is_scaled_and_masked((plan, seed) in plans().prop_flat_map(|plan| {
        let cases = elastic_cases_of(Elastic::new(written_out(&plan)).unwrap());
        (Just(std::rc::Rc::new(plan)), cases)
    })) {
        let graph = outputs_stay(seed.elastic.graph(), &seed.weights, &seed.input)?;
        let found = attentions(&graph);
        prop_assert_eq!(found.len(), usize::from(!plan.read));
        if let [attention] = found[..] {
            prop_assert!((attention.scale - f64::from(plan.scale[0] * plan.scale[1])).abs() < 1e-5);
            let elastic = Elastic::new(graph.clone()).unwrap();
            let site = &elastic.analysis().sites[0];
            prop_assert_eq!((site.name.as_str(), site.level, site.units), ("in.weight[1]", "head", 2));
            prop_assert!(!graph.ids().any(|id| matches!(graph.node(id).op, Op::Matmul(_) | Op::Softmax(_) | Op::Scalar(_))));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rewritten_graph_keeps_the_laws(case in plans().prop_flat_map(|plan| {
        let graph = written_out(&Plan { read: false, ..plan });
        let (graph, _) = rewritten(graph, Weights::new()).unwrap();
        elastic_cases_of(Elastic::new(graph).unwrap())
    })) {
        prop_assert_eq!(check_elastic(&case), Ok(()));
    }
}

#[test]
fn what_is_computed_of_constants_is_a_constant() {
    let mut graph = Graph::new("known");
    let x = graph.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(2)])).unwrap();
    let value = Array::new(vec![2], vec![1.0, 2.0]).unwrap();
    let a = graph.add("a", Constant { value, dtype: DType::F32 }, &[]).unwrap();
    let b = graph.add("b", Scalar { scale: 3.0, shift: 1.0 }, &[a]).unwrap();
    let c = graph.add("c", Scalar { scale: -1.0, shift: 0.0 }, &[b]).unwrap();
    let each = Expand { to: vec![Dim::Batch(1), Dim::Fixed(2)] };
    let each = graph.add("each", each, &[c]).unwrap();
    let y = graph.add("y", Binary { function: BinaryFunction::Add }, &[x, each]).unwrap();
    graph.set_outputs(vec![y]);
    let (graph, weights) = rewritten(graph, Weights::new()).unwrap();
    let names: Vec<&str> = graph.ids().map(|id| graph.node(id).name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(graph.ids().any(|id| graph.node(id).name == "c" && matches!(graph.node(id).op, Op::Constant(_))));
    let x = Array::new(vec![3, 2], vec![0.0; 6]).unwrap();
    assert_eq!(graph.eval(&weights, from_ref(&x)).unwrap()[0].data(), [-4.0, -7.0].repeat(3));
    let wrong = Array::new(vec![3, 1], vec![0.0; 3]).unwrap();
    assert!(graph.eval(&weights, from_ref(&wrong)).is_err());
}
