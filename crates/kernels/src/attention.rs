//! Scaled dot-product attention, of which blocks of scores can be left out.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Operands};
use crate::kernels::DenseLinear;
use crate::layer::{Layer, Linear};
use crate::pattern::Pattern;
use crate::pool::{Scratch, for_each};
use crate::simd::{dispatch, dot, exp_all, largest, sum};
use crate::transpose::Transpose;
use pulp::{Simd, WithSimd};
use std::borrow::Cow;
use std::ops::Range;

/// Queries that are taken at a time where all tokens are seen.
const QUERIES: usize = 64;

/// Queries below which it is cheaper to compute the scores of some that do not see a token, and hide them.
const FEW: usize = 32;

/// `softmax(scale Q K') V` (Vaswani et al., 2017), row by row: Q `[matrices, queries, width]`, K `[matrices, tokens, width]`, V
/// `[matrices, tokens, features]`, all row-major and dense. The matrices are samples and heads: fewer heads are fewer matrices, fewer tokens shorter
/// ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Samples times heads.
    pub matrices: usize,
    /// Rows of Q.
    pub queries: usize,
    /// Rows of K and V.
    pub tokens: usize,
    /// Columns of Q and K.
    pub width: usize,
    /// Columns of V.
    pub features: usize,
    /// The factor of the scores.
    pub scale: f32,
    /// Whether query `i` sees tokens up to `i` alone.
    pub causal: bool,
}

/// Which scores are computed: for each `side` queries the blocks of `side` tokens that they see (Child et al., "Generating Long Sequences with Sparse
/// Transformers", 2019). A query that sees no token gives zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreBlocks {
    side: usize,
    seen: Vec<Vec<u32>>,
}

impl ScoreBlocks {
    /// For each block of queries the numbers of the blocks of tokens.
    ///
    /// # Errors
    /// When the side is zero, or the numbers of a row do not rise.
    pub fn new(side: usize, seen: Vec<Vec<u32>>) -> Result<Self, Error> {
        let rises = |row: &Vec<u32>| row.windows(2).all(|pair| pair[0] < pair[1]);
        match seen.iter().position(|row| !rises(row)) {
            _ if side == 0 => Err(Error::new(NAME, "blocks of no scores")),
            Some(row) => Err(Error::new(NAME, format!("the blocks of row {row} do not rise"))),
            None => Ok(Self { side, seen }),
        }
    }

    fn check(&self, attention: &Attention) -> Result<(), Error> {
        let (rows, blocks) = (attention.queries.div_ceil(self.side), attention.tokens.div_ceil(self.side));
        if self.seen.len() != rows {
            return Err(Error::new(NAME, format!("{} rows of blocks for {rows}", self.seen.len())));
        }
        match self.seen.iter().filter_map(|row| row.last()).max() {
            Some(&last) if last as usize >= blocks => Err(Error::new(NAME, format!("block {last} of {blocks}"))),
            _ => Ok(()),
        }
    }
}

const NAME: &str = "attention";

impl Attention {
    /// Floating-point operations of one pass forward, two for each multiply-add: those of both products, what is causal counted whole.
    pub fn flops(&self) -> f64 {
        let pairs = (self.matrices * self.queries) as f64 * self.tokens as f64;
        2.0 * pairs * (self.width + self.features) as f64
    }

    /// Bytes of all operands of one pass, each once.
    pub fn bytes(&self) -> f64 {
        size_of::<f32>() as f64 * self.sizes().iter().sum::<usize>() as f64
    }

    fn sizes(&self) -> [usize; 4] {
        let Self { matrices, queries, tokens, width, features, .. } = *self;
        [queries * width, tokens * width, tokens * features, queries * features].map(|each| matrices * each)
    }

    fn check(&self, seen: Option<&ScoreBlocks>, held: &[(&str, usize, usize)]) -> Result<(), Error> {
        if let Some((name, held, needed)) = held.iter().find(|(_, held, needed)| held != needed) {
            return Err(Error::new(NAME, format!("{name} holds {held} elements, {self:?} needs {needed}")));
        }
        seen.map_or(Ok(()), |seen| seen.check(self))
    }

    /// Writes the output, `[matrices, queries, features]`.
    ///
    /// # Errors
    /// When an operand or the blocks do not fit, before memory is touched.
    pub fn forward(
        &self,
        seen: Option<&ScoreBlocks>,
        [q, k, v]: [&[f32]; 3],
        y: &mut [f32],
        threads: usize,
    ) -> Result<(), Error> {
        let sizes = self.sizes();
        let held = [("q", q.len()), ("k", k.len()), ("v", v.len()), ("y", y.len())];
        self.check(seen, &[0, 1, 2, 3].map(|i| (held[i].0, held[i].1, sizes[i])))?;
        let jobs = y.chunks_mut((self.queries * self.features).max(1)).enumerate();
        for_each(threads, jobs, |(matrix, y)| {
            let matrix = Matrix::of(self, [q, k, v], matrix);
            for strip in matrix.strips(seen) {
                matrix.forward(&strip, &mut y[strip.queries.start * self.features..strip.queries.end * self.features]);
            }
        });
        Ok(())
    }

    /// Writes the gradients of q, k and v, given that of the output. Scores are computed again rather than kept.
    ///
    /// # Errors
    /// When an operand or the blocks do not fit, before memory is touched.
    pub fn backward(
        &self,
        seen: Option<&ScoreBlocks>,
        [q, k, v]: [&[f32]; 3],
        dy: &[f32],
        [dq, dk, dv]: [&mut [f32]; 3],
        threads: usize,
    ) -> Result<(), Error> {
        let [of_q, of_k, of_v, of_y] = self.sizes();
        self.check(seen, &[("q", q.len(), of_q), ("k", k.len(), of_k), ("v", v.len(), of_v), ("dy", dy.len(), of_y)])?;
        self.check(None, &[("dq", dq.len(), of_q), ("dk", dk.len(), of_k), ("dv", dv.len(), of_v)])?;
        dq.fill(0.0);
        dk.fill(0.0);
        dv.fill(0.0);
        let Self { matrices, queries, tokens, width, features, .. } = *self;
        let sizes = [queries * width, tokens * width, tokens * features];
        let [dq, dk, dv] =
            [(dq, sizes[0]), (dk, sizes[1]), (dv, sizes[2])].map(|(all, each)| parts(all, each, matrices));
        for_each(threads, dq.into_iter().zip(dk).zip(dv).enumerate(), |(at, ((dq, dk), dv))| {
            let matrix = Matrix::of(self, [q, k, v], at);
            let dy = &dy[at * self.queries * self.features..][..self.queries * self.features];
            let mut dkeys = Scratch::new(width * tokens);
            dkeys.fill(0.0);
            for strip in matrix.strips(seen) {
                matrix.backward(&strip, dy, [&mut *dq, &mut dkeys, &mut *dv]);
            }
            dispatch(Transpose { from: (&dkeys, tokens), size: [width, tokens], to: (dk, width) });
        });
        Ok(())
    }
}

/// So many parts of `each` elements.
fn parts(all: &mut [f32], each: usize, count: usize) -> Vec<&mut [f32]> {
    if each == 0 { (0..count).map(|_| &mut [][..]).collect() } else { all.chunks_exact_mut(each).collect() }
}

/// One sample's head.
struct Matrix<'a> {
    attention: &'a Attention,
    q: &'a [f32],
    v: &'a [f32],
    /// The keys, `[width, tokens]`.
    keys: Scratch,
}

/// Neighbouring queries, and the tokens that some of them see.
struct Strip {
    queries: Range<usize>,
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
    fn of(attention: &'a Attention, [q, k, v]: [&'a [f32]; 3], at: usize) -> Self {
        let Attention { queries, tokens, width, features, .. } = *attention;
        let part = |all: &'a [f32], each: usize| &all[at * each..][..each];
        let mut keys = Scratch::new(width * tokens);
        let from = (part(k, tokens * width), width);
        dispatch(Transpose { from, size: [tokens, width], to: (&mut keys, tokens) });
        Self { attention, q: part(q, queries * width), v: part(v, tokens * features), keys }
    }

    /// All queries that see something.
    fn strips<'s>(&'s self, seen: Option<&'s ScoreBlocks>) -> impl Iterator<Item = Strip> + 's {
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

    fn forward(&self, strip: &Strip, y: &mut [f32]) {
        let weights = self.weights(strip, &self.keys(strip));
        self.mix(strip).forward(&weights, &self.values(strip), y);
    }

    /// Adds to the gradients of keys, `[width, tokens]`, and values, and writes those of queries.
    fn backward(&self, strip: &Strip, dy: &[f32], [dq, dkeys, dv]: [&mut [f32]; 3]) {
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
struct Add<'a> {
    sums: &'a mut [f32],
    some: &'a [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.sums.iter_mut().zip(self.some).for_each(|(sum, v)| *sum += v);
    }
}

/// `softmax(scale row)` of all that is not hidden, in place; zero where it is.
struct Normalise<'a> {
    row: &'a mut [f32],
    scale: f32,
    hidden: &'a [Range<usize>],
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { row, scale, hidden } = self;
        let length = row.len();
        if hidden.first().is_some_and(|range| range.start == 0 && range.end >= length) {
            return row.fill(0.0);
        }
        row.iter_mut().for_each(|v| *v *= scale);
        hidden.iter().for_each(|range| row[range.start.min(length)..range.end.min(length)].fill(f32::NEG_INFINITY));
        let top = largest(simd, row);
        row.iter_mut().for_each(|v| *v -= top);
        exp_all(simd, row);
        let factor = sum(simd, row).recip();
        row.iter_mut().for_each(|v| *v *= factor);
    }
}

/// From the gradients of a row's weights to those of its scores before they were scaled, in place.
struct SoftmaxBackward<'a> {
    gradients: &'a mut [f32],
    weights: &'a [f32],
    scale: f32,
}

impl WithSimd for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gradients, weights, scale } = self;
        let mean = dot(simd, gradients, weights);
        gradients.iter_mut().zip(weights).for_each(|(g, w)| *g = scale * w * (*g - mean));
    }
}
