//! The law of tokens: those that go on compute what they would if attention and mean did not see the others.
use crate::mix::Mix;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use std::collections::BTreeMap;
use supple_graph::kinds::Token;
use supple_graph::operators::{
    Attention, BinaryFunction, Concat, Cut, Expand, LayerNorm, Reduce, Reduction, Slice, UnaryFunction,
};
use supple_graph::training::{Gradients, Loss};
use supple_graph::{Array, Choice, Density, Dim, Elastic, Fact, Graph, Kind, Result, Setting, Value, Weights};

const SAMPLES: usize = 2;
const CLASSES: usize = 3;
const TOLERANCE: f64 = 1e-4;

/// The sizes of a transformer over a set of tokens.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    tokens: usize,
    heads: usize,
    head_width: usize,
    width: usize,
    layers: usize,
    /// Whether a token of its own is read at the end, in place of the mean of all.
    class: bool,
    /// Whether norms stand before attention and perceptron, in place of behind them.
    before: bool,
}

/// A transformer over tokens, its weights, inputs, and the part of the tokens that go on at each of its blocks.
#[derive(Clone, Debug)]
pub struct TokenCase {
    sizes: Sizes,
    densities: Vec<Density>,
    weights: Vec<Array>,
    input: Array,
    targets: Array,
}

/// What each block and the mean see, in the graph that computes all tokens.
struct Seen {
    /// `[samples, 1, 1, tokens]` for each block: zero, or minus infinity.
    masks: Vec<Array>,
    /// `[samples, tokens, 1]`: what each token counts in the mean.
    parts: Array,
}

/// Small random transformers over sets of tokens.
pub fn token_cases() -> impl Strategy<Value = TokenCase> {
    let sizes = (2usize..6, 1usize..3, 1usize..4, 2usize..6, 1usize..4);
    (sizes, any::<[bool; 2]>(), proptest::collection::vec(1..=1000u16, 3)).prop_perturb(|(sizes, flags, parts), rng| {
        let ((tokens, heads, head_width, width, layers), [class, before]) = (sizes, flags);
        let sizes = Sizes { tokens, heads, head_width, width, layers, class, before };
        TokenCase::new(sizes, parts.into_iter().filter_map(Density::new).collect(), rng)
    })
}

impl TokenCase {
    fn new(sizes: Sizes, densities: Vec<Density>, mut rng: TestRng) -> Self {
        let mut array = |shape: &[usize]| {
            Array::from_fn(shape, |_| (f64::from(rng.next_u32()) / f64::from(1u32 << 31) - 1.0) as f32)
        };
        let graph = sizes.graph(false).graph;
        let facts = graph.parameter_ids().into_iter().map(|id| graph.node(id).facts[0].shape_at(1));
        let weights = facts.map(|shape| array(&shape)).collect();
        let (input, targets) = (array(&[SAMPLES, sizes.tokens, 2]), array(&[SAMPLES, CLASSES]));
        Self { sizes, densities, weights, input, targets }
    }

    /// The graph, as any other.
    pub fn elastic(&self) -> Elastic {
        Elastic::new(self.sizes.graph(false).graph).expect("random graphs are well-formed")
    }

    fn weights(&self, graph: &Graph) -> Weights {
        graph.parameter_ids().into_iter().zip(self.weights.iter().cloned()).collect()
    }

    /// How many tokens go on from each block: no more than have come.
    fn counts(&self) -> Vec<usize> {
        let kept = self.densities.iter().map(|density| density.kept(self.sizes.tokens)).take(self.sizes.layers);
        let least = |so_far: &mut usize, kept: usize| {
            *so_far = kept.min(*so_far);
            Some(*so_far)
        };
        kept.scan(self.sizes.tokens, least).collect()
    }
}

/// A graph, and what its blocks read.
struct Built {
    graph: Graph,
    streams: Vec<Value>,
}

impl Sizes {
    /// All of the axis of tokens.
    fn length(&self) -> usize {
        self.tokens + usize::from(self.class)
    }

    /// The graph; `masked`, with masks for every block and parts of the mean as further inputs.
    fn graph(&self, masked: bool) -> Built {
        let (mut mix, mut streams) = (Mix::new("tokens"), Vec::new());
        let made = self.logits(&mut mix, masked, &mut streams);
        Built { graph: mix.finish(made), streams }
    }

    fn logits(&self, mix: &mut Mix, masked: bool, streams: &mut Vec<Value>) -> Result<Value> {
        let fixed = |lengths: &[usize]| lengths.iter().map(|&n| Dim::Fixed(n)).collect::<Vec<_>>();
        let input = mix.tape.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(self.tokens), Dim::Fixed(2)]))?;
        let mut x = mix.linear(input, self.width)?;
        if self.class {
            let class = mix.weight(&[1, 1, self.width])?;
            let to = [vec![Dim::Batch(1)], fixed(&[1, self.width])].concat();
            let class = mix.tape.add(Expand { to }, &[class])?;
            x = mix.tape.add(Concat { axis: 1 }, &[class, x])?;
        }
        let positions = mix.weight(&[1, self.length(), self.width])?;
        x = mix.tape.sum(x, positions)?;
        for layer in 0..self.layers {
            streams.push(x);
            let shape = [vec![Dim::Batch(1)], fixed(&[1, 1, self.length()])].concat();
            let mask = masked.then(|| mix.tape.input(&format!("mask{layer}"), Fact::f32(shape))).transpose()?;
            x = self.block(mix, x, mask)?;
        }
        let pooled = self.pooled(mix, x, masked)?;
        mix.linear(pooled, CLASSES)
    }

    fn block(&self, mix: &mut Mix, x: Value, mask: Option<Value>) -> Result<Value> {
        let read = if self.before { norm(mix, x)? } else { x };
        let mut operands = Vec::new();
        for _ in 0..3 {
            let projected = mix.linear(read, self.heads * self.head_width)?;
            operands.push(mix.in_heads(projected, self.heads)?);
        }
        operands.extend(mask);
        let mixed = mix.tape.add(Attention::new(0.7, false), &operands)?;
        let back = mix.out_of_heads(mixed, self.width)?;
        let x = mix.tape.sum(x, back)?;
        let read = norm(mix, x)?;
        let wide = mix.linear(read, 2 * self.width)?;
        let wide = mix.tape.map(UnaryFunction::Tanh, wide)?;
        let narrow = mix.linear(wide, self.width)?;
        let x = mix.tape.sum(x, narrow)?;
        if self.before { Ok(x) } else { norm(mix, x) }
    }

    /// The token of its own, or the mean of all.
    fn pooled(&self, mix: &mut Mix, x: Value, masked: bool) -> Result<Value> {
        if self.class {
            let first = Slice { cuts: vec![Cut { axis: 1, start: 0, end: 1, step: 1 }] };
            let first = mix.tape.add(first, &[x])?;
            return mix.tape.reshape(first, &[Dim::Batch(1), Dim::Fixed(self.width)]);
        }
        if !masked {
            return mix.tape.add(Reduce { reduction: Reduction::Mean, axes: vec![1], keep: false }, &[x]);
        }
        let parts = [Dim::Batch(1), Dim::Fixed(self.tokens), Dim::Fixed(1)];
        let parts = mix.tape.input("parts", Fact::f32(parts))?;
        let parts = mix.tape.join(BinaryFunction::Mul, x, parts)?;
        mix.tape.add(Reduce { reduction: Reduction::Sum, axes: vec![1], keep: false }, &[parts])
    }
}

fn norm(mix: &mut Mix, x: Value) -> Result<Value> {
    let width = mix.length(x, mix.last(x));
    let (gamma, beta) = (mix.weight(&[width])?, mix.weight(&[width])?);
    mix.tape.add(LayerNorm { epsilon: 1e-5 }, &[x, gamma, beta])
}

/// Whether logits and gradients of a transformer at a setting of its tokens are those of all tokens where every block, and the mean, see the ones alone that
/// have the largest norms among those that the block before saw.
///
/// # Errors
/// The first difference, and where.
pub fn check_tokens(case: &TokenCase) -> std::result::Result<(), String> {
    compare(case).map_err(|error| error.to_string())?
}

fn compare(case: &TokenCase) -> Result<std::result::Result<(), String>> {
    let elastic = case.elastic();
    let places = elastic.analysis().tokens().len();
    if places != case.sizes.layers {
        return Ok(Err(format!("{places} places for {} blocks", case.sizes.layers)));
    }
    let mut setting: Setting = elastic.analysis().dense();
    for (&(_, site), &density) in elastic.analysis().tokens().iter().zip(&case.densities) {
        setting = setting.with_choice(site, Choice { kind: Kind::Token(Token), density });
    }
    let left = elastic.shrink(&setting)?;
    let short = run(case, &left, std::slice::from_ref(&case.input))?;
    let Built { graph, streams } = case.sizes.graph(true);
    let seen = seen(case, &graph, &streams)?;
    let long = run(case, &graph, &seen.inputs(case))?;
    let differs = short.iter().zip(&long).find(|((_, a), (_, b))| !alike(a, b));
    Ok(differs
        .map_or(Ok(()), |((name, a), (_, b))| Err(format!("{name}: {a:?} of fewer tokens, {b:?} of masked ones"))))
}

fn alike(a: &Array, b: &Array) -> bool {
    let size = b.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
    a.distance(b) <= TOLERANCE * size
}

/// Logits, and the gradient by each parameter.
fn run(case: &TokenCase, graph: &Graph, inputs: &[Array]) -> Result<BTreeMap<String, Array>> {
    let weights = case.weights(graph);
    let logits = graph.eval(&weights, inputs)?.remove(0);
    let gradients = Gradients::of(graph, Loss::MeanSquare)?;
    let made = gradients.graph.eval(&weights, &[inputs, std::slice::from_ref(&case.targets)].concat())?;
    let names = gradients.by_parameter.keys().map(|&id| graph.node(id).name.clone());
    Ok(names.zip(made.into_iter().skip(1)).chain([("logits".to_owned(), logits)]).collect())
}

impl Seen {
    fn all(sizes: &Sizes) -> Self {
        let masks = vec![Array::full(&[SAMPLES, 1, 1, sizes.length()], 0.0); sizes.layers];
        Self { masks, parts: Array::full(&[SAMPLES, sizes.tokens, 1], 1.0 / sizes.tokens as f32) }
    }

    fn inputs(&self, case: &TokenCase) -> Vec<Array> {
        let parts = (!case.sizes.class).then(|| self.parts.clone());
        std::iter::once(case.input.clone()).chain(self.masks.iter().cloned()).chain(parts).collect()
    }
}

/// What each block sees: by the values that it reads when the blocks before it see what they should.
fn seen(case: &TokenCase, graph: &Graph, streams: &[Value]) -> Result<Seen> {
    let sizes = &case.sizes;
    let (weights, length, first) = (case.weights(graph), sizes.length(), usize::from(sizes.class));
    let mut seen = Seen::all(sizes);
    let mut there = vec![(first..length).collect::<Vec<usize>>(); SAMPLES];
    for (layer, (count, &stream)) in case.counts().into_iter().zip(streams).enumerate() {
        let mut graph = graph.clone();
        graph.set_outputs(vec![stream]);
        let x = graph.eval(&weights, &seen.inputs(case))?.remove(0);
        for (sample, there) in there.iter_mut().enumerate() {
            let norm =
                |&token: &usize| (0..sizes.width).map(|i| f64::from(x.at(&[sample, token, i])).powi(2)).sum::<f64>();
            there.sort_by(|a, b| norm(b).total_cmp(&norm(a)).then(a.cmp(b)));
            there.truncate(count);
            for (mask, token) in
                (layer..sizes.layers).flat_map(|layer| (first..length).map(move |token| (layer, token)))
            {
                let hidden = if there.contains(&token) { 0.0 } else { f32::NEG_INFINITY };
                seen.masks[mask].data_mut()[sample * length + token] = hidden;
            }
            for token in 0..sizes.tokens {
                let part = if there.contains(&token) { 1.0 / count as f32 } else { 0.0 };
                seen.parts.data_mut()[sample * sizes.tokens + token] = part;
            }
        }
    }
    Ok(seen)
}
