//! One sample's head, a strip of queries at a time.
use super::softmax::{Normalise, SoftmaxBackward};
use super::{Attention, ScoreBlocks};
use crate::kernel::{Args, Kernel, Operands};
use crate::kernels::DenseLinear;
use crate::layer::{Layer, Linear};
use crate::pattern::Pattern;
use crate::pool::Scratch;
use crate::simd::dispatch;
use crate::transpose::Transpose;
use pulp::{Simd, WithSimd};
use std::borrow::Cow;
use std::ops::Range;

/// Queries that are taken at a time where all tokens are seen.
const QUERIES: usize = 64;

/// Queries below which it is cheaper to compute the scores of some that do not see a token, and hide them.
const FEW: usize = 32;

/// One sample's head.
pub(super) struct Matrix<'a> {
    attention: &'a Attention,
    q: &'a [f32],
    v: &'a [f32],
    /// The keys, `[width, tokens]`.
    keys: Scratch,
}

/// Neighbouring queries, and the tokens that some of them see.
pub(super) struct Strip {
    pub queries: Range<usize>,
    tokens: Vec<Range<usize>>,
    count: usize,
    /// For each `side` queries, which of these tokens they do not see.
    hidden: Vec<Vec<Range<usize>>>,
    side: usize,
}

/// A product with a dense matrix on the right, by the kernel of linear layers.
struct Product(Linear);

impl Product {
    fn run(&self, operands: Operands<'_>) {
        let args = Args { layer: Layer::Linear(self.0), pattern: Pattern::Dense, operands, threads: 1 };
        let done = DenseLinear.run(args);
        debug_assert!(done.is_ok(), "{done:?}");
    }

    fn forward(&self, x: &[f32], w: &[f32], y: &mut [f32]) {
        self.run(Operands::Forward { x, w, b: None, relu: false, y });
    }

    fn left_gradient(&self, dy: &[f32], w: &[f32], dx: &mut [f32]) {
        self.run(Operands::BackwardInput { dy, w, dx });
    }

    fn right_gradient(&self, dy: &[f32], x: &[f32]) -> Scratch {
        let mut dw = Scratch::new(self.0.inputs * self.0.outputs);
        self.run(Operands::BackwardWeight { dy, x, dw: &mut dw, db: None });
        dw
    }
}

/// The matrix on the right of a product: where it lies, if what is taken of it is one piece, or put together; and the distance between its rows.
type Right<'m> = (Cow<'m, [f32]>, usize);

impl<'a> Matrix<'a> {
    pub fn of(attention: &'a Attention, [q, k, v]: [&'a [f32]; 3], at: usize) -> Self {
        let Attention { queries, tokens, width, features, .. } = *attention;
        let part = |all: &'a [f32], each: usize| &all[at * each..][..each];
        let mut keys = Scratch::new(width * tokens);
        let from = (part(k, tokens * width), width);
        dispatch(Transpose { from, size: [tokens, width], to: (&mut keys, tokens) });
        Self { attention, q: part(q, queries * width), v: part(v, tokens * features), keys }
    }

    /// All queries that see something.
    pub fn strips<'s>(&'s self, seen: Option<&'s ScoreBlocks>) -> impl Iterator<Item = Strip> + 's {
        let side = seen.map_or(QUERIES, |seen| seen.side);
        let Attention { queries, .. } = *self.attention;
        let (rows, together) = (queries.div_ceil(side), (FEW / side).max(1));
        (0..rows).step_by(together).map(move |first| {
            let rows = first..rows.min(first + together);
            let queries = first * side..(rows.end * side).min(queries);
            self.strip(seen, rows, queries, side)
        })
    }

    fn strip(&self, seen: Option<&ScoreBlocks>, rows: Range<usize>, queries: Range<usize>, side: usize) -> Strip {
        let Attention { tokens, causal, .. } = *self.attention;
        let most = if causal { tokens.min(queries.end) } else { tokens };
        let Some(seen) = seen else {
            let mut tokens = Vec::new();
            push(&mut tokens, 0..most);
            return Strip { queries, tokens, count: most, hidden: vec![Vec::new()], side };
        };
        let mut blocks: Vec<u32> = seen.seen[rows.clone()].concat();
        blocks.sort_unstable();
        blocks.dedup();
        let stretch = |block: u32| (block as usize * side).min(most)..((block as usize + 1) * side).min(most);
        let mut hidden = vec![Vec::new(); rows.len()];
        let (mut tokens, mut count) = (Vec::new(), 0);
        for block in blocks {
            let range = stretch(block);
            for (row, hidden) in rows.clone().zip(&mut hidden) {
                if seen.seen[row].binary_search(&block).is_err() {
                    push(hidden, count..count + range.len());
                }
            }
            count += range.len();
            push(&mut tokens, range);
        }
        Strip { queries, tokens, count, hidden, side }
    }

    fn score(&self, strip: &Strip, row_stride: usize) -> Product {
        let (rows, outputs) = (strip.queries.len(), strip.count);
        Product(Linear { rows, inputs: self.attention.width, outputs, row_stride })
    }

    fn mix(&self, strip: &Strip) -> Product {
        let (rows, outputs) = (strip.queries.len(), self.attention.features);
        Product(Linear { rows, inputs: strip.count, outputs, row_stride: outputs })
    }

    fn rows(&self, strip: &Strip) -> &'a [f32] {
        &self.q[strip.queries.start * self.attention.width..strip.queries.end * self.attention.width]
    }

    /// The keys that a strip sees, `[width, count]`.
    fn keys(&self, strip: &Strip) -> Right<'_> {
        let length = self.attention.tokens;
        if let [only] = &strip.tokens[..]
            && !self.keys.is_empty()
        {
            let product = self.score(strip, length).0;
            return (Cow::Borrowed(&self.keys[only.start..][..Layer::Linear(product).lengths()[1]]), length);
        }
        let rows = self.keys.chunks_exact(length.max(1));
        let seen = rows.flat_map(|row| strip.tokens.iter().map(|range| &row[range.clone()]));
        (seen.collect::<Vec<_>>().concat().into(), strip.count)
    }

    /// The values that a strip sees, `[count, features]`.
    fn values(&self, strip: &Strip) -> Cow<'a, [f32]> {
        let features = self.attention.features;
        let part = |range: &Range<usize>| &self.v[range.start * features..range.end * features];
        match &strip.tokens[..] {
            [only] => Cow::Borrowed(part(only)),
            some => some.iter().map(part).collect::<Vec<_>>().concat().into(),
        }
    }

    /// What each query gives to each token that it sees, `[queries, count]`, with the keys of the strip.
    fn weights(&self, strip: &Strip, (keys, stride): &Right<'_>) -> Scratch {
        let mut scores = Scratch::new(strip.queries.len() * strip.count);
        self.score(strip, *stride).forward(self.rows(strip), keys, &mut scores);
        let Attention { scale, causal, .. } = *self.attention;
        for (query, row) in strip.queries.clone().zip(scores.chunks_exact_mut(strip.count.max(1))) {
            let below = strip.tokens.iter().map(|range| range.end.min(query + 1).saturating_sub(range.start));
            let visible = if causal { below.sum() } else { row.len() };
            row[visible..].fill(0.0);
            let hidden = &strip.hidden[(query - strip.queries.start) / strip.side];
            dispatch(Normalise { row: &mut row[..visible], scale, hidden });
        }
        scores
    }

    pub fn forward(&self, strip: &Strip, y: &mut [f32]) {
        let weights = self.weights(strip, &self.keys(strip));
        self.mix(strip).forward(&weights, &self.values(strip), y);
    }

    /// Adds to the gradients of keys, `[width, tokens]`, and values, and writes those of queries.
    pub fn backward(&self, strip: &Strip, dy: &[f32], [dq, dkeys, dv]: [&mut [f32]; 3]) {
        let Attention { tokens, width, features, scale, .. } = *self.attention;
        let dy = &dy[strip.queries.start * features..strip.queries.end * features];
        let right = self.keys(strip);
        let weights = self.weights(strip, &right);
        let mix = self.mix(strip);
        let values = mix.right_gradient(dy, &weights);
        strip.add(&values, features, dv);
        let mut scores = Scratch::new(weights.len());
        mix.left_gradient(dy, &self.values(strip), &mut scores);
        let rows = scores.chunks_exact_mut(strip.count.max(1)).zip(weights.chunks_exact(strip.count.max(1)));
        rows.for_each(|(gradients, weights)| dispatch(SoftmaxBackward { gradients, weights, scale }));
        let (keys, stride) = &right;
        let dq = &mut dq[strip.queries.start * width..strip.queries.end * width];
        self.score(strip, *stride).left_gradient(&scores, keys, dq);
        let keys = self.score(strip, strip.count).right_gradient(&scores, self.rows(strip));
        let rows = keys.chunks_exact(strip.count.max(1)).zip(dkeys.chunks_exact_mut(tokens.max(1)));
        rows.for_each(|(row, sums)| strip.add(row, 1, sums));
    }
}

impl Strip {
    /// Adds what lies side by side for the tokens of the strip, `each` elements for one, to where they are among all.
    fn add(&self, some: &[f32], each: usize, all: &mut [f32]) {
        let mut rest = some;
        for range in &self.tokens {
            let (mine, others) = rest.split_at(range.len() * each);
            let sums = &mut all[range.start * each..range.end * each];
            dispatch(Add { sums, some: mine });
            rest = others;
        }
    }
}

/// Puts a range behind others, as one with the last where they touch.
fn push(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// `sums += some`.
pub(super) struct Add<'a> {
    pub sums: &'a mut [f32],
    pub some: &'a [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.sums.iter_mut().zip(self.some).for_each(|(sum, v)| *sum += v);
    }
}
