//! Random graphs.
use crate::mixtures::mixtures;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use supple_graph::operators::{
    Binary, BinaryFunction, Constant, Conv, Embedding, Input, LayerNorm, Linear, Matmul, Parameter, Permute, Pool,
    PoolFunction, Reduce, Reduction, Reshape, Scalar, Softmax, Unary, UnaryFunction,
};
use supple_graph::window::Window;
use supple_graph::{Array, DType, Dim, Fact, Graph, Op, Operator, Value};

const CLASSES: usize = 3;
const LATER: f32 = -1e9;

/// Small random well-formed graphs with one input and one output.
pub fn graphs() -> impl Strategy<Value = Graph> {
    prop_oneof![1 => stacks(), 1 => image_nets(), 1 => transformers(), 3 => mixtures()]
}

/// A graph in the making; every node gets a name from its operator and its place.
struct Draft(Graph);

impl Draft {
    /// # Panics
    /// When the inputs do not fit: the plan that is being built is wrong.
    fn add(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Value {
        let op = op.into();
        let name = format!("{}{}", op.name(), self.0.len());
        self.0.add(name, op, inputs).expect("the parts of a random graph fit")
    }

    fn input(&mut self, fact: Fact) -> Value {
        self.add(Input { fact }, &[])
    }

    fn weight(&mut self, shape: &[usize]) -> Value {
        self.add(Parameter { fact: Fact::fixed(shape) }, &[])
    }

    fn shape(&self, value: Value) -> &[Dim] {
        &self.0.node(value.node).facts[value.slot].shape
    }

    fn length(&self, value: Value, axis: usize) -> usize {
        self.shape(value)[axis].count()
    }

    fn width(&self, value: Value) -> usize {
        self.shape(value).last().map_or(1, |dim| dim.count())
    }

    fn linear(&mut self, x: Value, outputs: usize) -> Value {
        let (w, b) = (self.weight(&[self.width(x), outputs]), self.weight(&[outputs]));
        self.add(Linear::default(), &[x, w, b])
    }

    fn map(&mut self, x: Value, functions: &[UnaryFunction]) -> Value {
        functions.iter().fold(x, |x, &function| self.add(Unary { function }, &[x]))
    }

    fn binary(&mut self, function: BinaryFunction, a: Value, b: Value) -> Value {
        self.add(Binary { function }, &[a, b])
    }

    fn sum(&mut self, a: Value, b: Value) -> Value {
        self.binary(BinaryFunction::Add, a, b)
    }

    fn reshape(&mut self, x: Value, to: &[Dim]) -> Value {
        self.add(Reshape { to: to.to_vec() }, &[x])
    }

    fn layer_norm(&mut self, x: Value) -> Value {
        let (gamma, beta) = (self.weight(&[self.width(x)]), self.weight(&[self.width(x)]));
        self.add(LayerNorm { epsilon: 1e-5 }, &[x, gamma, beta])
    }

    /// The graph that computes logits from `x`.
    fn finish(mut self, x: Value) -> Graph {
        let output = self.linear(x, CLASSES);
        self.0.set_outputs(vec![output]);
        self.0
    }
}

/// A layer on vectors.
#[derive(Clone, Debug)]
enum Layer {
    Linear(usize),
    Map(&'static [UnaryFunction]),
    Residual(usize, &'static [UnaryFunction]),
    Gate,
    Norm,
    Softmax,
}

/// Functions that keep values small, most of them not zero at zero.
const MAPS: [&[UnaryFunction]; 8] = [
    &[UnaryFunction::Relu],
    &[UnaryFunction::Gelu],
    &[UnaryFunction::Neg],
    &[UnaryFunction::Sigmoid],
    &[UnaryFunction::Sigmoid, UnaryFunction::Sqrt],
    &[UnaryFunction::Tanh, UnaryFunction::Exp],
    &[UnaryFunction::Tanh, UnaryFunction::Exp, UnaryFunction::Recip],
    &[UnaryFunction::Sigmoid, UnaryFunction::Log],
];

fn layers() -> impl Strategy<Value = Layer> {
    prop_oneof![
        4 => (1usize..7).prop_map(Layer::Linear),
        3 => select(&MAPS[..]).prop_map(Layer::Map),
        2 => (1usize..7, select(&MAPS[..])).prop_map(|(hidden, map)| Layer::Residual(hidden, map)),
        1 => Just(Layer::Gate),
        1 => Just(Layer::Norm),
        1 => Just(Layer::Softmax),
    ]
}

/// Layers on vectors, or on sequences of vectors.
fn stacks() -> impl Strategy<Value = Graph> {
    (vec(layers(), 0..6), 1usize..5, prop::option::of(2usize..4)).prop_map(|(layers, width, tokens)| {
        let mut draft = Draft(Graph::new("stack"));
        let shape = [Some(Dim::Batch(1)), tokens.map(Dim::Fixed), Some(Dim::Fixed(width))];
        let input = draft.input(Fact::f32(shape.into_iter().flatten().collect::<Vec<_>>()));
        let last = layers.iter().fold(input, |x, layer| draft.layer(x, layer));
        draft.finish(last)
    })
}

impl Draft {
    fn layer(&mut self, x: Value, layer: &Layer) -> Value {
        match *layer {
            Layer::Linear(outputs) => self.linear(x, outputs),
            Layer::Map(functions) => self.map(x, functions),
            Layer::Residual(hidden, functions) => self.residual(x, hidden, functions),
            Layer::Gate => self.gate(x),
            Layer::Norm => self.layer_norm(x),
            Layer::Softmax => self.add(Softmax { axis: self.shape(x).len() - 1 }, &[x]),
        }
    }

    /// `x + narrow(f(widen(x)))`
    fn residual(&mut self, x: Value, hidden: usize, functions: &[UnaryFunction]) -> Value {
        let wide = self.linear(x, hidden);
        let wide = self.map(wide, functions);
        let narrow = self.linear(wide, self.width(x));
        self.sum(x, narrow)
    }

    /// `x * sigmoid(x W + b) * scale`
    fn gate(&mut self, x: Value) -> Value {
        let open = self.linear(x, self.width(x));
        let open = self.map(open, &[UnaryFunction::Sigmoid]);
        let gated = self.binary(BinaryFunction::Mul, x, open);
        self.scale(gated)
    }

    /// `x * scale`, with a trained scale for each element of the last axis.
    fn scale(&mut self, x: Value) -> Value {
        let last = self.shape(x).len() - 1;
        let mut shape = vec![Dim::Fixed(1); last];
        shape.push(Dim::Fixed(self.width(x)));
        let scale = self.weight(&[self.width(x)]);
        let scale = self.reshape(scale, &shape);
        self.binary(BinaryFunction::Mul, x, scale)
    }
}

/// A stage of a convolutional network.
#[derive(Clone, Debug)]
struct Stage {
    groups: usize,
    per_group: usize,
    window: usize,
    stride: usize,
    padding: usize,
    norm: bool,
    skip: bool,
    pool: bool,
}

fn stages() -> impl Strategy<Value = Stage> {
    let sizes = (1usize..5, 1usize..4, 1usize..4, 1usize..3, 0usize..2);
    (sizes, any::<[bool; 3]>()).prop_map(|((groups, per_group, window, stride, padding), [norm, skip, pool])| Stage {
        groups,
        per_group,
        window,
        stride,
        padding,
        norm,
        skip,
        pool,
    })
}

/// Convolutions on small images, flattened, then linear layers.
fn image_nets() -> impl Strategy<Value = Graph> {
    (vec(stages(), 1..4), 1usize..3, 2usize..6, 1usize..6).prop_map(|(stages, colours, side, hidden)| {
        let mut draft = Draft(Graph::new("image net"));
        let shape = [Dim::Batch(1), Dim::Fixed(colours), Dim::Fixed(side), Dim::Fixed(side)];
        let input = draft.input(Fact::f32(shape));
        let maps = stages.iter().fold(input, |x, stage| draft.stage(x, stage));
        let features = draft.shape(maps)[1..].iter().map(|dim| dim.count()).product();
        let flat = draft.reshape(maps, &[Dim::Batch(1), Dim::Fixed(features)]);
        let wide = draft.linear(flat, hidden);
        let wide = draft.map(wide, MAPS[0]);
        draft.finish(wide)
    })
}

impl Draft {
    fn stage(&mut self, x: Value, stage: &Stage) -> Value {
        let window = stage.window.min(self.length(x, 2));
        let conv = Conv::new(2).with_stride(stage.stride).with_padding(stage.padding);
        let mut y = self.conv(x, stage.groups * stage.per_group, window, conv);
        if stage.norm {
            y = self.group_norm(y, stage.groups);
        }
        if stage.skip {
            let same = Conv::new(2);
            let through = self.conv(y, self.length(y, 1), 1, same);
            y = self.sum(y, through);
        }
        y = self.map(y, MAPS[0]);
        if stage.pool && self.length(y, 2) >= 2 {
            y = self.add(Pool { function: PoolFunction::Max, window: Window::new(&[2, 2], &[2, 2]) }, &[y]);
        }
        y
    }

    fn conv(&mut self, x: Value, channels: usize, window: usize, op: Conv) -> Value {
        let w = self.weight(&[channels, self.length(x, 1), window, window]);
        let b = self.weight(&[channels]);
        self.add(op, &[x, w, b])
    }

    /// Normalises over each group of channels, in the steps in which Burn records it.
    fn group_norm(&mut self, x: Value, groups: usize) -> Value {
        let shape = self.shape(x).to_vec();
        let elements: usize = shape[1..].iter().map(|dim| dim.count()).product();
        let grouped = self.reshape(x, &[shape[0], Dim::Fixed(groups), Dim::Fixed(elements / groups)]);
        let mean = Reduce::along(Reduction::Mean, 2);
        let centre = self.add(mean.clone(), &[grouped]);
        let centred = self.binary(BinaryFunction::Sub, grouped, centre);
        let squares = self.binary(BinaryFunction::Mul, centred, centred);
        let variance = self.add(mean, &[squares]);
        let variance = self.add(Scalar { scale: 1.0, shift: 1e-3 }, &[variance]);
        let deviation = self.map(variance, &[UnaryFunction::Sqrt]);
        let normal = self.binary(BinaryFunction::Div, centred, deviation);
        let normal = self.reshape(normal, &shape);
        let per_channel = [Dim::Fixed(1), shape[1], Dim::Fixed(1), Dim::Fixed(1)];
        let [gamma, beta] = [(); 2].map(|()| {
            let weight = self.weight(&[per_channel[1].count()]);
            self.reshape(weight, &per_channel)
        });
        let scaled = self.binary(BinaryFunction::Mul, normal, gamma);
        self.sum(scaled, beta)
    }
}

/// Sizes and parts of a transformer of one block.
#[derive(Clone, Debug)]
struct Transformer {
    heads: usize,
    head_width: usize,
    tokens: usize,
    model_width: usize,
    embedded: bool,
    normed: bool,
    causal: bool,
    scaled: bool,
}

/// One block of attention and perceptron, on token ids or on vectors.
fn transformers() -> impl Strategy<Value = Graph> {
    let sizes = (1usize..4, 1usize..4, 2usize..4, 1usize..5);
    (sizes, any::<[bool; 4]>()).prop_map(
        |((heads, head_width, tokens, model_width), [embedded, normed, causal, scaled])| {
            let plan = Transformer { heads, head_width, tokens, model_width, embedded, normed, causal, scaled };
            let mut draft = Draft(Graph::new("transformer"));
            let x = draft.source(&plan);
            let before = if plan.normed { draft.layer_norm(x) } else { x };
            let attended = draft.attention(before, &plan);
            let x = draft.sum(x, attended);
            let x = draft.residual(x, 2 * plan.model_width, MAPS[1]);
            draft.finish(x)
        },
    )
}

impl Draft {
    /// Features of the tokens, with a trained position.
    fn source(&mut self, plan: &Transformer) -> Value {
        const WORDS: usize = 5;
        let (batch, tokens) = (Dim::Batch(1), Dim::Fixed(plan.tokens));
        let features = if plan.embedded {
            let input = self.input(Fact { dtype: DType::I64, shape: vec![batch, tokens] });
            let table = self.weight(&[WORDS, plan.model_width]);
            self.add(Embedding {}, &[table, input])
        } else {
            let input = self.input(Fact::f32([batch, tokens, Dim::Fixed(2)]));
            self.linear(input, plan.model_width)
        };
        let positions = self.weight(&[1, plan.tokens, plan.model_width]);
        self.sum(features, positions)
    }

    /// Attention with many heads, as Burn records it.
    fn attention(&mut self, x: Value, plan: &Transformer) -> Value {
        let inner = plan.heads * plan.head_width;
        let split = [Dim::Batch(1), Dim::Fixed(plan.tokens), Dim::Fixed(plan.heads), Dim::Fixed(plan.head_width)];
        let [query, key, value] = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]].map(|order| {
            let projected = self.linear(x, inner);
            let mut heads = self.reshape(projected, &split);
            if plan.scaled {
                heads = self.scale(heads);
            }
            self.add(Permute { order: order.to_vec() }, &[heads])
        });
        let scores = self.add(Matmul {}, &[query, key]);
        let mut scores = self.add(Scalar { scale: (plan.head_width as f64).sqrt().recip(), shift: 0.0 }, &[scores]);
        if plan.causal {
            let mask = self.add(causal_mask(plan.tokens), &[]);
            scores = self.sum(scores, mask);
        }
        let weights = self.add(Softmax { axis: 3 }, &[scores]);
        let mixed = self.add(Matmul {}, &[weights, value]);
        let mixed = self.add(Permute { order: vec![0, 2, 1, 3] }, &[mixed]);
        let joined = self.reshape(mixed, &[split[0], split[1], Dim::Fixed(inner)]);
        self.linear(joined, self.width(x))
    }
}

fn causal_mask(tokens: usize) -> Constant {
    let value = Array::from_fn(&[1, 1, tokens, tokens], |at| if at[3] > at[2] { LATER } else { 0.0 });
    Constant { value, dtype: DType::F32 }
}
