//! Gradients against finite differences, and training steps against what they should do.
use std::collections::BTreeMap;
use supple_graph::operators::{
    Adam, AdaptivePool, Attention, BatchNorm, Binary, BinaryFunction, Border, Clip, Concat, Conv, ConvTranspose,
    Coordinates, Cut, Elu, Embedding, Expand, Gather, Gemm, GroupNorm, HardSigmoid, InstanceNorm, Interpolation, Keep,
    LayerNorm, LeakyRelu, Linear, LogSoftmax, Matmul, Op, Pad, Permute, Pool, PoolFunction, Reduce, Reduction, Reshape,
    Resize, RmsNorm, Scalar, Sgd, Slice, Softmax, Split, Then, TopK, Unary, UnaryFunction, Where,
};
use supple_graph::training::{Gradients, Loss, Optimizer};
use supple_graph::window::Window;
use supple_graph::{Array, DType, Dim, Fact, Graph, Near, NodeId, Operator, Phase, Value, Weights};

/// Half the width of a finite difference. Losses are rounded to 24 bits, so a quotient is known to some 1e-5.
const STEP: f32 = 0.02;
const TOLERANCE: f64 = 4e-4;

/// Numbers that fill a range evenly and look random.
fn fill(shape: &[usize], low: f32, high: f32, seed: usize) -> Array {
    let mut i = 7 * seed;
    Array::from_fn(shape, |_| {
        i += 1;
        low + (high - low) * (0.618_034 * i as f32 + 0.123).fract()
    })
}

/// A graph of one operator whose float operands are parameters, and their values.
struct Bench {
    graph: Graph,
    weights: Weights,
    inputs: Vec<Array>,
}

impl Bench {
    fn new() -> Self {
        Self { graph: Graph::new("bench"), weights: Weights::new(), inputs: Vec::new() }
    }

    fn parameter(&mut self, value: Array) -> Value {
        let name = format!("w{}", self.weights.len());
        let parameter = self.graph.parameter(&name, Fact::fixed(value.shape())).unwrap();
        self.weights.insert(parameter.node, value);
        parameter
    }

    fn input(&mut self, dtype: DType, value: Array) -> Value {
        let shape = value.shape().iter().map(|&n| Dim::Fixed(n)).collect();
        let input = self.graph.input(&format!("x{}", self.inputs.len()), Fact { dtype, shape }).unwrap();
        self.inputs.push(value);
        input
    }

    fn floats(shapes: &[&[usize]], low: f32, high: f32) -> (Self, Vec<Value>) {
        let mut bench = Self::new();
        let values =
            shapes.iter().enumerate().map(|(i, shape)| bench.parameter(fill(shape, low, high, i + 1))).collect();
        (bench, values)
    }

    /// The loss, and the gradients by parameter.
    fn derive(&self, loss: Loss) -> (Gradients, Vec<Array>) {
        let gradients = Gradients::of(&self.graph, loss).unwrap();
        gradients.graph.check().unwrap();
        let outputs = self.graph.outputs()[0];
        let fact = self.graph.fact(outputs).unwrap();
        let targets = match loss {
            Loss::MeanSquare => fill(&fact.shape_at(1), -1.0, 1.0, 9),
            Loss::CrossEntropy => fill(&fact.shape_at(1)[..fact.rank() - 1], 0.0, 2.99, 9),
        };
        let targets = if loss == Loss::CrossEntropy { targets.map(f64::floor) } else { targets };
        (gradients, [self.inputs.clone(), vec![targets]].concat())
    }

    /// Compares every gradient with a finite difference, extrapolated (Richardson, 1911).
    fn check(&self, what: &str, loss: Loss) {
        let (gradients, inputs) = self.derive(loss);
        assert_eq!(gradients.untrainable, [], "{what}");
        let eval = |weights: &Weights| gradients.graph.eval(weights, &inputs).unwrap();
        let made = eval(&self.weights);
        for (place, (&parameter, _)) in gradients.by_parameter.iter().enumerate() {
            for at in 0..self.weights[&parameter].data().len() {
                let moved = |step: f32| {
                    let mut weights = self.weights.clone();
                    weights.get_mut(&parameter).unwrap().data_mut()[at] += step;
                    f64::from(eval(&weights)[0].data()[0])
                };
                let quotient = |step: f32| (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                let expected = (4.0 * quotient(STEP / 2.0) - quotient(STEP)) / 3.0;
                let found = f64::from(made[place + 1].data()[at]);
                let far = (found - expected).abs() > TOLERANCE * (1.0 + expected.abs());
                assert!(!far, "{what}, parameter {place}, element {at}: {found}, expected {expected}");
            }
        }
    }
}

/// One operator on parameters of these shapes.
fn check(op: impl Into<Op>, shapes: &[&[usize]], (low, high): (f32, f32)) {
    let op = op.into();
    let (mut bench, values) = Bench::floats(shapes, low, high);
    let what = format!("{op:?} on {shapes:?}");
    let y = bench.graph.add("y", op, &values).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check(&what, Loss::MeanSquare);
}

const WIDE: (f32, f32) = (-2.0, 2.0);
const POSITIVE: (f32, f32) = (0.3, 2.0);

#[test]
fn functions_of_one_element() {
    use UnaryFunction as F;
    let anywhere = [
        F::Relu,
        F::Gelu,
        F::GeluTanh,
        F::Silu,
        F::Sigmoid,
        F::HardSwish,
        F::Mish,
        F::Softplus,
        F::Softsign,
        F::Tanh,
        F::Exp,
        F::Erf,
        F::Sin,
        F::Cos,
        F::Neg,
        F::Abs,
    ];
    anywhere.iter().for_each(|&function| check(Unary { function }, &[&[7]], WIDE));
    [F::Log, F::Sqrt, F::Recip].iter().for_each(|&function| check(Unary { function }, &[&[5]], POSITIVE));
    check(Unary { function: F::HardSwish }, &[&[9]], (-5.0, 5.0));
    check(Scalar { scale: -1.5, shift: 0.5 }, &[&[4]], WIDE);
    check(LeakyRelu { slope: 0.2 }, &[&[7]], WIDE);
    check(Elu { alpha: 0.7, width: 0.5, scale: 1.2 }, &[&[7]], WIDE);
    check(HardSigmoid { alpha: 0.4, beta: 0.5 }, &[&[7]], WIDE);
    check(Clip { low: Some(-1.0), high: Some(0.77) }, &[&[7]], WIDE);
}

#[test]
fn functions_of_two_elements() {
    use BinaryFunction as F;
    for function in [F::Add, F::Sub, F::Mul, F::Min, F::Max, F::Prelu] {
        check(Binary { function }, &[&[2, 3], &[3]], WIDE);
        check(Binary { function }, &[&[2, 1], &[2, 1, 3]], WIDE);
    }
    for function in [F::Div, F::Pow] {
        check(Binary { function }, &[&[2, 3], &[2, 1]], POSITIVE);
    }
    let (mut bench, values) = Bench::floats(&[&[2, 2], &[2]], -1.0, 1.0);
    let condition = bench.input(DType::Bool, Array::new(vec![2, 1], vec![1.0, 0.0]).unwrap());
    let y = bench.graph.add("y", Where {}, &[condition, values[0], values[1]]).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check("where", Loss::MeanSquare);
}

#[test]
fn rows() {
    check(Softmax { axis: 1 }, &[&[2, 3]], WIDE);
    check(LogSoftmax { axis: 0 }, &[&[2, 3]], WIDE);
    for reduction in [
        Reduction::Sum,
        Reduction::Mean,
        Reduction::Max,
        Reduction::Min,
        Reduction::L1,
        Reduction::L2,
        Reduction::SumSquare,
    ] {
        check(Reduce { reduction, axes: vec![0, 2], keep: false }, &[&[2, 2, 3]], WIDE);
        check(Reduce { reduction, axes: vec![1], keep: true }, &[&[2, 3]], WIDE);
    }
    check(LayerNorm { epsilon: 0.1 }, &[&[2, 3], &[3], &[3]], WIDE);
    check(LayerNorm { epsilon: 0.1 }, &[&[2, 2, 2], &[2, 2]], WIDE);
    check(RmsNorm { epsilon: 0.1 }, &[&[2, 3], &[3]], WIDE);
    check(InstanceNorm { epsilon: 0.1 }, &[&[2, 2, 3], &[2], &[2]], WIDE);
    check(GroupNorm { size: 2, epsilon: 0.1 }, &[&[2, 4, 2], &[4], &[4]], WIDE);
}

#[test]
fn stored_statistics_are_not_trained() {
    let (mut bench, mut values) = Bench::floats(&[&[2, 2, 2], &[2], &[2]], -2.0, 2.0);
    values.push(bench.input(DType::F32, fill(&[2], -1.0, 1.0, 4)));
    values.push(bench.input(DType::F32, fill(&[2], 0.5, 1.0, 5)));
    let y = bench.graph.add("y", BatchNorm { epsilon: 0.1 }, &values).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check("batch_norm", Loss::MeanSquare);
}

#[test]
fn products() {
    check(Linear::default(), &[&[2, 2, 3], &[3, 2], &[2]], WIDE);
    check(Linear { active: Some(2) }, &[&[2, 2, 3], &[3, 2], &[2]], WIDE);
    check(Matmul {}, &[&[2, 2, 3], &[1, 3, 2]], WIDE);
    check(Gemm { alpha: 0.5, beta: 2.0, transposed_a: true, transposed_b: false }, &[&[3, 2], &[3, 4], &[4]], WIDE);
    check(Gemm { alpha: 0.5, beta: 1.0, transposed_a: false, transposed_b: true }, &[&[2, 3], &[4, 3]], WIDE);
    check(Attention::new(0.7, true), &[&[1, 2, 3, 2], &[1, 2, 3, 2], &[1, 2, 3, 2]], WIDE);
    check(Attention::new(0.7, false), &[&[2, 3, 2], &[2, 4, 2], &[2, 4, 2], &[3, 4]], WIDE);
    let near = Some(Near { side: 2, count: 2 });
    check(Attention { near, ..Attention::new(0.7, false) }, &[&[2, 4, 2], &[2, 7, 2], &[2, 7, 2]], WIDE);
    check(Attention { near, ..Attention::new(0.7, true) }, &[&[1, 7, 2], &[1, 7, 2], &[1, 7, 2]], WIDE);
    let keep = Keep { axis: 1, start: 1, end: 4, count: 2 };
    check(keep.clone(), &[&[2, 5, 3]], WIDE);
    let scaled = Binary { function: BinaryFunction::Mul };
    check(Then { first: Box::new(scaled.into()), second: Box::new(keep.into()) }, &[&[2, 5, 3], &[5, 1]], WIDE);
    check(Permute { order: vec![2, 0, 1] }, &[&[2, 1, 3]], WIDE);
    check(Reshape { to: vec![Dim::Fixed(3), Dim::Fixed(2)] }, &[&[2, 3]], WIDE);
    check(Concat { axis: 1 }, &[&[2, 1], &[2, 3]], WIDE);
    check(Split { axis: 1, lengths: vec![1, 2] }, &[&[2, 3]], WIDE);
    check(Slice { cuts: vec![Cut { axis: 1, start: 1, end: 3, step: 1 }] }, &[&[2, 4]], WIDE);
    check(Pad { widths: vec![[0, 0], [2, 1]], border: Border::Value(0.5) }, &[&[2, 2]], WIDE);
    check(Expand { to: [2, 3, 2].map(Dim::Fixed).to_vec() }, &[&[3, 1]], WIDE);
    let (mut bench, values) = Bench::floats(&[&[2, 4, 3]], -1.0, 1.0);
    let indices = bench.input(DType::I64, Array::new(vec![3], vec![1.0, -1.0, 1.0]).unwrap());
    let y = bench.graph.add("y", Gather { axis: 1 }, &[values[0], indices]).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check("gather", Loss::MeanSquare);
    let (mut bench, values) = Bench::floats(&[&[4, 2]], -1.0, 1.0);
    let indices = bench.input(DType::I64, Array::new(vec![2, 2], vec![1.0, 3.0, 1.0, 0.0]).unwrap());
    let y = bench.graph.add("y", Embedding {}, &[values[0], indices]).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check("embedding", Loss::MeanSquare);
}

#[test]
fn windows() {
    for function in [PoolFunction::Max, PoolFunction::Average, PoolFunction::PaddedAverage] {
        let window = Window { ceil: true, ..Window::new(&[2, 3], &[2, 1]).padded(&[1, 1]) };
        check(Pool { function, window }, &[&[1, 2, 3, 3]], WIDE);
    }
    check(AdaptivePool { max: false, to: vec![3, 2] }, &[&[1, 2, 5, 3]], WIDE);
    check(AdaptivePool { max: true, to: vec![3, 2] }, &[&[1, 2, 5, 3]], WIDE);
    for interpolation in [Interpolation::Floor, Interpolation::Linear, Interpolation::Cubic] {
        let op = Resize { to: vec![5], scale: vec![5.0 / 3.0], interpolation, coordinates: Coordinates::HalfPixel };
        check(op, &[&[1, 2, 3]], WIDE);
    }
    let conv = Conv { stride: vec![2, 1], padding: vec![[1, 0], [0, 1]], dilation: vec![1, 2], groups: 1 };
    check(conv.clone(), &[&[1, 2, 4, 4], &[3, 2, 2, 2], &[3]], WIDE);
    check(conv.with_groups(2), &[&[2, 4, 3, 4], &[2, 2, 2, 2]], WIDE);
    let conv =
        ConvTranspose { stride: vec![2], padding: vec![[1, 0]], output_padding: vec![1], ..ConvTranspose::new(1) };
    check(conv.clone(), &[&[2, 2, 3], &[2, 3, 2], &[3]], WIDE);
    check(ConvTranspose { groups: 2, ..conv }, &[&[1, 2, 3], &[2, 1, 3]], WIDE);
    check(Conv::new(1).with_groups(3), &[&[1, 3, 4], &[3, 1, 2], &[3]], WIDE);
}

#[test]
fn losses() {
    let (mut bench, values) = Bench::floats(&[&[2, 2, 3]], -2.0, 2.0);
    let y = bench.graph.add("y", Scalar { scale: 2.0, shift: 0.0 }, &values).unwrap();
    bench.graph.set_outputs(vec![y]);
    bench.check("cross entropy", Loss::CrossEntropy);
}

/// `[batch, 2] -> 4 -> relu -> 3` with a trained row that nothing reads.
fn perceptron() -> (Graph, Weights) {
    let mut graph = Graph::new("perceptron");
    let x = graph.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(2)])).unwrap();
    let mut weights = Weights::new();
    let mut weight = |graph: &mut Graph, name: &str, shape: &[usize]| {
        let value = graph.parameter(name, Fact::fixed(shape)).unwrap();
        weights.insert(value.node, fill(shape, -0.8, 0.8, shape.len() + name.len()));
        value
    };
    let (w1, b1) = (weight(&mut graph, "w1", &[2, 4]), weight(&mut graph, "b1", &[4]));
    let (w2, b2) = (weight(&mut graph, "w2", &[4, 3]), weight(&mut graph, "b2", &[3]));
    weight(&mut graph, "idle", &[2]);
    let h = graph.add("h", Linear::default(), &[x, w1, b1]).unwrap();
    let h = graph.add("relu", Unary { function: UnaryFunction::Relu }, &[h]).unwrap();
    let y = graph.add("y", Linear::default(), &[h, w2, b2]).unwrap();
    graph.set_outputs(vec![y]);
    (graph, weights)
}

fn named(graph: &Graph, name: &str) -> NodeId {
    graph.ids().find(|&id| graph.node(id).name == name).unwrap()
}

#[test]
fn a_perceptron_learns_its_batch() {
    let optimizers = [
        (Optimizer::Sgd(Sgd { momentum: 0.9, decay: 0.0, nesterov: true }), 0.2),
        (Optimizer::Adam(Adam { betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.01, decoupled: true }), 0.05),
    ];
    for (optimizer, rate) in optimizers {
        let (forward, weights) = perceptron();
        let training = Gradients::of(&forward, Loss::CrossEntropy).unwrap().with_updates(&optimizer).unwrap();
        training.graph.check().unwrap();
        let mut weights = training.begin(weights);
        let x = Array::new(vec![3, 2], vec![1.0, 0.0, 0.0, 1.0, -1.0, -1.0]).unwrap();
        let classes = Array::new(vec![3], vec![2.0, 0.0, 1.0]).unwrap();
        let mut losses = Vec::new();
        for step in 1..=60 {
            let mut inputs = vec![x.clone(), classes.clone(), Array::full(&[], rate)];
            inputs.extend(matches!(optimizer, Optimizer::Adam(_)).then(|| Array::full(&[], step as f32)));
            losses.push(training.step(&mut weights, &inputs).unwrap());
        }
        assert!(losses[0] > 0.8 && losses[59] < 0.1, "{optimizer:?}: {losses:?}");
    }
}

#[test]
fn what_the_loss_does_not_depend_on_is_not_trained() {
    let (forward, _) = perceptron();
    let gradients = Gradients::of(&forward, Loss::CrossEntropy).unwrap();
    let reasons: BTreeMap<&str, &str> =
        gradients.untrainable.iter().map(|u| (forward.node(u.parameter).name.as_str(), u.reason.as_str())).collect();
    assert_eq!(reasons, BTreeMap::from([("idle", "the loss does not depend on it")]));
}

#[test]
fn an_operator_without_a_rule_is_named() {
    let (mut bench, values) = Bench::floats(&[&[2, 3], &[3]], -1.0, 1.0);
    let scaled = bench.graph.add("scaled", Binary { function: BinaryFunction::Mul }, &values).unwrap();
    let top = bench.graph.add("top", TopK { k: 2, axis: 1, least: false }, &[scaled]).unwrap();
    bench.graph.set_outputs(vec![top]);
    let gradients = Gradients::of(&bench.graph, Loss::MeanSquare).unwrap();
    assert!(gradients.by_parameter.is_empty());
    assert!(
        gradients.untrainable.iter().all(|u| u.reason == "top: top_k has no gradient rule"),
        "{:?}",
        gradients.untrainable
    );
    assert_eq!(gradients.untrainable.len(), 2);
}

#[test]
fn every_node_of_a_step_belongs_to_a_phase() {
    let (forward, _) = perceptron();
    let optimizer = Optimizer::Sgd(Sgd { momentum: 0.0, decay: 0.0, nesterov: false });
    let training = Gradients::of(&forward, Loss::CrossEntropy).unwrap().with_updates(&optimizer).unwrap();
    assert_eq!(training.phases.len(), training.graph.len());
    let phase = |name: &str| training.phases[named(&training.graph, name).0];
    assert_eq!(phase("relu"), Phase::Forward);
    let updates: Vec<Phase> = training.steps.iter().map(|step| training.phases[step.after[0].node.0]).collect();
    assert_eq!(updates, [Phase::Update; 4]);
    let products = training.graph.ids().filter(|&id| training.graph.node(id).op.name() == "matmul");
    let phases: Vec<Phase> = products.map(|id| training.phases[id.0]).collect();
    assert_eq!(phases, [Phase::BackwardWeight; 2]);
    let first = training.graph.ids().filter(|&id| training.graph.node(id).name.starts_with("h.gradient.linear"));
    assert_eq!(first.count(), 0, "nothing trains behind the first layer's input");
}
