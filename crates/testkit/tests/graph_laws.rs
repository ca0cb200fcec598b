//! The laws of graphs, of axes, of kinds, and of the sparsifiability analysis.
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use supple_graph::axes::Letter;
use supple_graph::operators::{
    Adam, AdaptivePool, ArgMax, Attention, Backward, BatchNorm, Binary, BinaryFunction, Border, Cast, Clip, Concat,
    Constant, Conv, ConvTranspose, Coordinates, CrossEntropy, Cut, Embedding, Expand, Gather, Gemm, GroupNorm, Gru,
    InstanceNorm, Interpolation, Keep, LayerNorm, Linear, LogSoftmax, Lstm, Matmul, MeanSquare, Opaque, Pad, Permute,
    Pool, PoolFunction, Reduce, Reduction, Reshape, Resize, RmsNorm, Scalar, Sgd, Slice, Softmax, Split, Then, TopK,
    Unary, UnaryFunction, Where,
};
use supple_graph::recurrence::{Direction, Recurrence};
use supple_graph::window::Window;
use supple_graph::{
    Array, Axes, Axis, DType, Density, Dim, Elastic, Fact, Graph, Kind, Near, Op, Operator, Site, SparsityKind, Value,
    Verdict,
};
use supple_graph::{Phase, Weights};
use supple_testkit::{check_elastic, elastic_cases, elastic_cases_of, graphs};

fn letters() -> impl Strategy<Value = Letter> {
    (0u16..60, any::<bool>()).prop_map(|(id, bound)| Letter { id, bound })
}

fn parts() -> impl Strategy<Value = Axis> {
    vec(letters(), 0..4).prop_map(Axis::product)
}

fn operands() -> impl Strategy<Value = Vec<Vec<Axis>>> {
    let axis = prop_oneof![4 => parts(), 1 => vec(parts(), 2..4).prop_map(Axis::chain)];
    vec(vec(axis, 0..5), 0..4)
}

fn axes() -> impl Strategy<Value = Axes> {
    let lengths = vec((0u16..60, 0usize..9), 0..3);
    let sized = |(inputs, outputs, lengths): (_, _, Vec<(u16, usize)>)| {
        lengths.into_iter().fold(Axes::new(inputs, outputs), |axes, (letter, length)| axes.with_length(letter, length))
    };
    prop_oneof![1 => Just(Axes::opaque()), 9 => (operands(), operands(), lengths).prop_map(sized)]
}

fn facts() -> impl Strategy<Value = Fact> {
    let dims = prop_oneof![3 => (0usize..5).prop_map(Dim::Fixed), 1 => (1usize..3).prop_map(Dim::Batch)];
    (select(vec![DType::F32, DType::I64]), vec(dims, 0..5)).prop_map(|(dtype, shape)| Fact { dtype, shape })
}

/// Lists of numbers that now and then belong to as many axes.
fn numbers() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![9 => 0usize..4, 1 => Just(usize::MAX)], 1..4)
}

fn borders() -> impl Strategy<Value = Border> {
    select(vec![Border::Value(1.0), Border::Edge, Border::Mirror])
}

fn convs() -> impl Strategy<Value = Op> {
    let pairs = || vec(prop::array::uniform2(0usize..4), 1..4);
    let parts = (numbers(), pairs(), numbers(), numbers(), 0usize..4, any::<bool>());
    parts.prop_map(|(stride, padding, dilation, output_padding, groups, transposed)| {
        if transposed {
            ConvTranspose { stride, padding, output_padding, dilation, groups }.into()
        } else {
            Conv { stride, padding, dilation, groups }.into()
        }
    })
}

fn structural_operators() -> impl Strategy<Value = Op> {
    let cuts = vec(prop::array::uniform4(0usize..4), 0..3);
    let cut = |[axis, start, end, step]: [usize; 4]| Cut { axis, start, end, step };
    prop_oneof![
        convs(),
        (any::<bool>(), prop::option::of((0usize..4, 0usize..4))).prop_map(|(causal, near)| {
            let near = near.map(|(side, count)| Near { side, count });
            Attention { near, ..Attention::new(1.0, causal) }.into()
        }),
        any::<[bool; 2]>().prop_map(|[transposed_a, transposed_b]| {
            Gemm { alpha: 1.0, beta: 1.0, transposed_a, transposed_b }.into()
        }),
        (0usize..5).prop_map(|axis| Concat { axis }.into()),
        (0usize..5).prop_map(|axis| Gather { axis }.into()),
        (0usize..5, numbers()).prop_map(|(axis, lengths)| Split { axis, lengths }.into()),
        cuts.prop_map(move |cuts| Slice { cuts: cuts.into_iter().map(cut).collect() }.into()),
        (vec(prop::array::uniform2(0usize..3), 0..5), borders())
            .prop_map(|(widths, border)| Pad { widths, border }.into()),
        facts().prop_map(|fact| Expand { to: fact.shape }.into()),
    ]
}

/// Windows of any sort, most of them nonsense.
fn window_operators() -> impl Strategy<Value = Op> {
    let huge = || prop_oneof![8 => 0usize..4, 1 => Just(usize::MAX), 1 => Just(usize::MAX / 2)];
    let list = move || vec(huge(), 0..4);
    let pairs = vec(prop::array::uniform2(huge()), 0..4);
    let window = (list(), list(), pairs, list(), any::<bool>());
    let window =
        window.prop_map(|(kernel, stride, padding, dilation, ceil)| Window { kernel, stride, padding, dilation, ceil });
    let function = select(vec![PoolFunction::Max, PoolFunction::Average, PoolFunction::PaddedAverage]);
    let scale = vec(prop_oneof![Just(0.0), Just(f64::NAN), 0.1..3.0], 0..4);
    prop_oneof![
        (function, window).prop_map(|(function, window)| Pool { function, window }.into()),
        (any::<bool>(), list()).prop_map(|(max, to)| AdaptivePool { max, to }.into()),
        (list(), scale).prop_map(|(to, scale)| {
            let (interpolation, coordinates) = (Interpolation::Cubic, Coordinates::AlignCorners);
            Resize { to, scale, interpolation, coordinates }.into()
        }),
    ]
}

/// What keeps some positions of an axis, alone and behind a softmax of the same axis.
fn keeps() -> impl Strategy<Value = Op> {
    let sizes = (0usize..4, 0usize..4, 0usize..7, 0usize..5);
    (sizes, any::<bool>()).prop_map(|((axis, start, end, count), alone)| {
        let keep: Op = Keep { axis, start, end, count }.into();
        let behind = |keep| Then { first: Box::new(Softmax { axis }.into()), second: Box::new(keep) }.into();
        if alone { keep } else { behind(keep) }
    })
}

/// Operators along axes.
fn row_operators() -> impl Strategy<Value = Op> {
    let direction = select(vec![Direction::Forward, Direction::Bidirectional]);
    let walk = (direction, any::<[bool; 4]>()).prop_map(|(direction, [bias, initial, batch_first, gru])| {
        let recurrence = Recurrence { direction, bias, initial, batch_first };
        if gru { Gru { recurrence, reset_after: true }.into() } else { Op::from(Lstm { recurrence }) }
    });
    prop_oneof![
        vec(0usize..5, 0..4).prop_map(|axes| Reduce { reduction: Reduction::L2, axes, keep: false }.into()),
        (0usize..5).prop_map(|axis| LogSoftmax { axis }.into()),
        (0usize..5, any::<bool>()).prop_map(|(axis, keep)| ArgMax { axis, keep, least: false, last: false }.into()),
        (0usize..6, 0usize..5).prop_map(|(k, axis)| TopK { k, axis, least: false }.into()),
        keeps(),
        (0usize..4).prop_map(|size| GroupNorm { size, epsilon: 1e-5 }.into()),
        Just(InstanceNorm { epsilon: 1e-5 }.into()),
        Just(BatchNorm { epsilon: 1e-5 }.into()),
        Just(RmsNorm { epsilon: 1e-5 }.into()),
        Just(CrossEntropy {}.into()),
        Just(MeanSquare {}.into()),
        walk,
    ]
}

/// Operators on elements, updates, and what goes back through a pooling.
fn map_operators() -> impl Strategy<Value = Op> {
    let pool = Pool { function: PoolFunction::Max, window: Window::new(&[2], &[1]) };
    let opaque = |facts| Opaque { kind: "unknown".to_owned(), attributes: BTreeMap::new(), facts, definition: None };
    prop_oneof![
        Just(Where {}.into()),
        Just(Cast { to: DType::Bool }.into()),
        Just(Clip { low: None, high: Some(1.0) }.into()),
        Just(Sgd { momentum: 0.5, decay: 0.0, nesterov: false }.into()),
        Just(Adam { betas: [0.9, 0.99], epsilon: 1e-8, decay: 0.0, decoupled: true }.into()),
        (0usize..3).prop_map(move |input| Backward { of: Box::new(pool.clone().into()), input }.into()),
        vec(facts(), 0..3).prop_map(move |facts| opaque(facts).into()),
    ]
}

fn operators() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Linear::default().into()),
        (0usize..6).prop_map(|count| Linear { active: Some(count) }.into()),
        Just(Matmul {}.into()),
        Just(Embedding {}.into()),
        Just(LayerNorm { epsilon: 1e-5 }.into()),
        Just(Unary { function: UnaryFunction::Relu }.into()),
        Just(Binary { function: BinaryFunction::Div }.into()),
        (any::<i32>(), any::<i32>()).prop_map(|(a, b)| Scalar { scale: a.into(), shift: b.into() }.into()),
        structural_operators(),
        window_operators(),
        row_operators(),
        map_operators(),
        (0usize..5).prop_map(|axis| Softmax { axis }.into()),
        (0usize..5).prop_map(|axis| Reduce::along(Reduction::Mean, axis).into()),
        vec(0usize..5, 0..5).prop_map(|order| Permute { order }.into()),
        facts().prop_map(|fact| Reshape { to: fact.shape }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_random_case_keeps_the_laws(case in elastic_cases()) {
        prop_assert_eq!(check_elastic(&case), Ok(()));
    }

    #[test]
    fn axes_survive_their_text(axes in axes()) {
        let text = axes.to_string();
        prop_assert_eq!(text.parse::<Axes>(), Ok(axes), "{}", text);
    }

    #[test]
    fn text_that_is_read_is_printed_as_it_was(text in "[a-cA-C1(){},>'?-]{0,12}( [ab]=[0-9]{1,2}){0,2}") {
        if let Ok(axes) = text.parse::<Axes>() {
            prop_assert_eq!(axes.to_string(), text);
        }
    }

    #[test]
    fn scalars_survive_json(scale in any::<f64>(), shift in any::<f64>()) {
        prop_assume!(scale.is_finite() && shift.is_finite());
        let mut graph = Graph::new("scalar");
        let x = graph.input("x", Fact::fixed(&[1])).unwrap();
        let y = graph.add("y", Scalar { scale, shift }, &[x]).unwrap();
        graph.set_outputs(vec![y]);
        prop_assert_eq!(Graph::from_json(&graph.to_json()), Ok(graph));
    }

    #[test]
    fn constants_survive_json(value in vec(prop_oneof![any::<f32>(), Just(f32::INFINITY), Just(f32::NEG_INFINITY)], 4)) {
        let mut graph = Graph::new("constant");
        let value = Array::new(vec![2, 2], value).unwrap();
        let y = graph.add("y", Constant { value, dtype: DType::F32 }, &[]).unwrap();
        graph.set_outputs(vec![y]);
        prop_assert_eq!(Graph::from_json(&graph.to_json()), Ok(graph));
    }

    #[test]
    fn a_graph_cut_short_is_an_error(graph in graphs(), part in 0.0..1.0) {
        let text = graph.to_json();
        let cut = (part * text.len() as f64) as usize;
        prop_assert!(Graph::from_json(&text[..cut]).is_err());
    }

    #[test]
    fn no_inputs_make_inference_panic(op in operators(), inputs in vec(facts(), 0..6)) {
        let facts: Vec<&Fact> = inputs.iter().collect();
        if op.infer(&facts).is_ok() {
            let axes = op.axes(&facts);
            let ranks: Vec<usize> = axes.inputs().iter().map(Vec::len).collect();
            let expected: Vec<usize> = inputs.iter().map(Fact::rank).collect();
            prop_assert!(axes.is_opaque() || ranks == expected, "{} on {:?}", axes, inputs);
            let outputs = op.infer(&facts).unwrap();
            let shapes: Vec<&[Dim]> = inputs.iter().chain(&outputs).map(|fact| fact.shape.as_slice()).collect();
            prop_assert!(axes.is_opaque() || axes.lengths(&shapes).is_some(), "{} on {:?}", axes, inputs);
        }
    }

    #[test]
    fn masks_nest_and_are_never_empty(scores in vec(0.0..1.0, 1..40), densities in prop::array::uniform2(1..=1000u16)) {
        let [a, b] = densities.map(|per_mille| Density::new(per_mille).unwrap());
        for kind in Kind::ALL {
            let (few, many) = (kind.mask(&scores, a.min(b)), kind.mask(&scores, a.max(b)));
            prop_assert!(few.kept() >= 1 && kind.mask(&scores, Density::FULL).kept() == scores.len());
            prop_assert!(few.0.iter().zip(&many.0).all(|(few, many)| *many || !few), "{:?} {:?}", few, many);
            prop_assert_eq!(few.kept(), kind.kept(scores.len(), a.min(b)));
            prop_assert!(kind.settled(a) >= a && kind.mask(&scores, kind.settled(a)) == kind.mask(&scores, a));
        }
    }
}

/// A graph written down by hand.
struct Sketch(Graph);

impl Sketch {
    fn new(fact: Fact) -> (Self, Value) {
        let mut graph = Graph::new("sketch");
        let x = graph.input("x", fact).unwrap();
        (Self(graph), x)
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[Value]) -> Value {
        self.0.add(name, op, inputs).unwrap()
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Value {
        self.0.parameter(name, Fact::fixed(shape)).unwrap()
    }

    fn linear(&mut self, name: &str, x: Value, outputs: usize) -> Value {
        let inputs = self.0.fact(x).unwrap().shape.last().unwrap().count();
        let w = self.weight(&format!("{name}.weight"), &[inputs, outputs]);
        self.add(name, Linear::default(), &[x, w])
    }

    fn elastic(mut self, output: Value) -> Elastic {
        self.0.set_outputs(vec![output]);
        Elastic::new(self.0).unwrap()
    }
}

fn rows(width: usize) -> Fact {
    Fact::f32([Dim::Batch(1), Dim::Fixed(width)])
}

fn named<'a>(sites: &'a [Site], name: &str) -> &'a Site {
    sites.iter().find(|site| site.name == name).unwrap_or_else(|| panic!("no site {name} in {sites:?}"))
}

fn fixed_because(elastic: &Elastic, name: &str) -> String {
    match &named(&elastic.analysis().fixed, name).verdict {
        Verdict::NotSparsifiable(reason) | Verdict::Sparsifiable(reason) => reason.clone(),
    }
}

/// The names of the sites of axes.
fn names(sites: &[Site]) -> Vec<&str> {
    sites.iter().filter(|site| site.is_of_axes()).map(|site| site.name.as_str()).collect()
}

#[test]
fn a_constant_of_another_length_is_an_error() {
    let mut graph = Graph::new("constant");
    graph.add("y", Constant { value: Array::full(&[3], 0.5), dtype: DType::F32 }, &[]).unwrap();
    let error = Graph::from_json(&graph.to_json().replace("[0.5,0.5,0.5]", "[0.5]")).unwrap_err().to_string();
    assert!(error.contains("1 elements, expected 3"), "{error}");
}

#[test]
fn hidden_neurons_are_sparsifiable_and_the_ends_are_not() {
    let (mut sketch, x) = Sketch::new(rows(4));
    let hidden = sketch.linear("hidden", x, 6);
    let active = sketch.add("active", Unary { function: UnaryFunction::Relu }, &[hidden]);
    let y = sketch.linear("out", active, 3);
    let elastic = sketch.elastic(y);
    assert_eq!(names(&elastic.analysis().sites), ["hidden.weight[1]"]);
    assert_eq!((elastic.analysis().sites[0].units, elastic.analysis().sites[0].level), (6, "neuron"));
    assert_eq!(fixed_because(&elastic, "hidden.weight[0]"), "model input");
    assert_eq!(fixed_because(&elastic, "out.weight[1]"), "model output");
}

#[test]
fn layers_with_eight_outputs_thin_out_within_their_weights() {
    let (mut sketch, x) = Sketch::new(rows(4));
    let hidden = sketch.linear("hidden", x, 9);
    let y = sketch.linear("out", hidden, 7);
    let elastic = sketch.elastic(y);
    let analysis = elastic.analysis();
    let [(blocked, site)] = analysis.blocked() else { panic!("{:?}", analysis.blocked()) };
    assert_eq!(elastic.graph().node(blocked.layer).name, "hidden");
    let site = &analysis.sites[site.0];
    assert_eq!((site.name.as_str(), site.units, site.kinds[0].name()), ("hidden.weight", 4, "block"));
    let half = analysis.uniform_within(site.kinds[0], Density::new(500).unwrap());
    let weights = elastic.graph().parameter_ids().into_iter();
    let weights: Weights = weights
        .map(|id| (id, Array::from_fn(&elastic.graph().node(id).facts[0].shape_at(1), |at| 1.0 + at[0] as f32)))
        .collect();
    let left = elastic.shrink_weights(&weights, &half).unwrap();
    assert_eq!(left[&blocked.weight], Array::from_fn(&[4, 9], |at| [0.0, 0.0, 3.0, 4.0][at[0]]));
    let [all, half] = [analysis.dense(), half].map(|at| elastic.work(&at, 1, Phase::Forward).unwrap().flops);
    assert_eq!(all - half, 2.0 * 2.0 * 9.0);
}

#[test]
fn a_norm_fixes_the_residual_stream() {
    let (mut sketch, x) = Sketch::new(rows(4));
    let stream = sketch.linear("in", x, 8);
    let gamma = sketch.weight("gamma", &[8]);
    let normal = sketch.add("norm", LayerNorm { epsilon: 1e-5 }, &[stream, gamma]);
    let wide = sketch.linear("wide", normal, 5);
    let narrow = sketch.linear("narrow", wide, 8);
    let sum = sketch.add("sum", Binary { function: BinaryFunction::Add }, &[stream, narrow]);
    let y = sketch.linear("out", sum, 3);
    let elastic = sketch.elastic(y);
    assert!(fixed_because(&elastic, "in.weight[1]").contains("normalises over the axis"));
    assert_eq!(named(&elastic.analysis().fixed, "in.weight[1]").units, 8);
    assert_eq!(names(&elastic.analysis().sites), ["wide.weight[1]"]);
}

#[test]
fn a_residual_stream_without_a_norm_thins_out_as_one() {
    let (mut sketch, x) = Sketch::new(rows(4));
    let stream = sketch.linear("in", x, 8);
    let through = sketch.linear("square", stream, 8);
    let sum = sketch.add("sum", Binary { function: BinaryFunction::Add }, &[stream, through]);
    let y = sketch.linear("out", sum, 3);
    let elastic = sketch.elastic(y);
    assert_eq!(names(&elastic.analysis().sites), ["in.weight[1]"]);
    let square = elastic.graph().ids().find(|&id| elastic.graph().node(id).name == "square.weight").unwrap();
    let axes = elastic.analysis().sites[0].members.iter().filter(|member| member.value.node == square).count();
    assert_eq!(axes, 2);
}

#[test]
fn a_softmax_fixes_its_axis() {
    let (mut sketch, x) = Sketch::new(rows(4));
    let hidden = sketch.linear("hidden", x, 6);
    let soft = sketch.add("soft", Softmax { axis: 1 }, &[hidden]);
    let y = sketch.linear("out", soft, 3);
    let elastic = sketch.elastic(y);
    assert!(fixed_because(&elastic, "hidden.weight[1]").contains("softmax over the axis"));
}

#[test]
fn group_norm_thins_out_whole_groups() {
    let (mut sketch, x) = Sketch::new(Fact::f32([Dim::Batch(1), Dim::Fixed(2), Dim::Fixed(3), Dim::Fixed(3)]));
    let w = sketch.weight("conv.weight", &[12, 2, 1, 1]);
    let maps = sketch.add("conv", Conv::new(2), &[x, w]);
    let grouped = [Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(27)];
    let grouped = sketch.add("grouped", Reshape { to: grouped.to_vec() }, &[maps]);
    let mean = sketch.add("mean", Reduce::along(Reduction::Mean, 2), &[grouped]);
    let centred = sketch.add("centred", Binary { function: BinaryFunction::Sub }, &[grouped, mean]);
    let flat = sketch.add("flat", Reshape { to: vec![Dim::Batch(1), Dim::Fixed(108)] }, &[centred]);
    let y = sketch.linear("out", flat, 3);
    let elastic = sketch.elastic(y);
    let site = named(&elastic.analysis().sites, "conv.weight[0]");
    let block = |name: &str| {
        let member = |m: &&supple_graph::Member| elastic.graph().node(m.value.node).name == name;
        site.members.iter().find(member).unwrap().block
    };
    assert_eq!((site.units, site.level), (4, "channel"));
    assert_eq!((block("conv.weight"), block("conv"), block("grouped"), block("out.weight")), (3, 3, 1, 27));
}

/// Two heads of three features on four tokens.
fn attention() -> Elastic {
    let (mut sketch, x) = Sketch::new(Fact::f32([Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(5)]));
    let split = Reshape { to: vec![Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(2), Dim::Fixed(3)] };
    let [q, k, v] = [("q", vec![0, 2, 1, 3]), ("k", vec![0, 2, 3, 1]), ("v", vec![0, 2, 1, 3])].map(|(name, order)| {
        let projected = sketch.linear(name, x, 6);
        let heads = sketch.add(&format!("{name}.heads"), split.clone(), &[projected]);
        sketch.add(&format!("{name}.order"), Permute { order }, &[heads])
    });
    let scores = sketch.add("scores", Matmul {}, &[q, k]);
    let mask = Constant { value: Array::full(&[1, 1, 4, 4], -1.0), dtype: DType::F32 };
    let mask = sketch.add("mask", mask, &[]);
    let masked = sketch.add("masked", Binary { function: BinaryFunction::Add }, &[scores, mask]);
    let soft = sketch.add("soft", Softmax { axis: 3 }, &[masked]);
    let mixed = sketch.add("mixed", Matmul {}, &[soft, v]);
    let mixed = sketch.add("back", Permute { order: vec![0, 2, 1, 3] }, &[mixed]);
    let joined = [Dim::Batch(1), Dim::Fixed(4), Dim::Fixed(6)];
    let joined = sketch.add("joined", Reshape { to: joined.to_vec() }, &[mixed]);
    let y = sketch.linear("out", joined, 3);
    sketch.elastic(y)
}

#[test]
fn attention_thins_out_whole_heads() {
    let elastic = attention();
    assert_eq!(names(&elastic.analysis().sites), ["q.weight[1]"]);
    let site = &elastic.analysis().sites[0];
    assert_eq!((site.units, site.level, site.kinds[0].name()), (2, "head", "head"));
    let weights = elastic.graph().parameter_ids();
    let blocks: Vec<usize> =
        site.members.iter().filter(|m| weights.contains(&m.value.node)).map(|member| member.block).collect();
    assert_eq!(blocks, [3; 4]);
    assert!(!elastic.has_sparse_constants());
}

proptest! {
    #[test]
    fn a_graph_of_ones_own_is_checked_too(case in elastic_cases_of(attention())) {
        prop_assert_eq!(check_elastic(&case), Ok(()));
    }
}
