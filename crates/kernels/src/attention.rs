//! Scaled dot-product attention, of which blocks of scores can be left out.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Operands};
use crate::kernels::DenseLinear;
use crate::layer::{Layer, Linear};
use crate::pattern::Pattern;
use crate::pool::for_each;
use crate::simd::{dispatch, exp_all};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Queries that are taken at a time where all tokens are seen.
const QUERIES: usize = 64;

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
                let weights = matrix.weights(&strip);
                let y = &mut y[strip.queries.start * self.features..strip.queries.end * self.features];
                matrix.mix(&strip).forward(&weights, &strip.values, y);
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
            for strip in matrix.strips(seen) {
                matrix.strip_backward(&strip, dy, [&mut *dq, &mut *dk, &mut *dv]);
            }
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
    k: &'a [f32],
    v: &'a [f32],
}

/// Neighbouring queries that see the same tokens.
struct Strip {
    queries: Range<usize>,
    tokens: Vec<Range<usize>>,
    /// Their keys, `[width, count]`.
    keys: Vec<f32>,
    /// Their values, `[count, features]`.
    values: Vec<f32>,
    count: usize,
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

    fn right_gradient(&self, dy: &[f32], x: &[f32]) -> Vec<f32> {
        let mut dw = vec![0.0; self.0.inputs * self.0.outputs];
        self.run(Operands::BackwardWeight { dy, x, dw: &mut dw, db: None });
        dw
    }
}

impl<'a> Matrix<'a> {
    fn of(attention: &'a Attention, [q, k, v]: [&'a [f32]; 3], at: usize) -> Self {
        let Attention { queries, tokens, width, features, .. } = *attention;
        let part = |all: &'a [f32], each: usize| &all[at * each..][..each];
        let (q, k, v) = (part(q, queries * width), part(k, tokens * width), part(v, tokens * features));
        Self { attention, q, k, v }
    }

    /// All queries that see something.
    fn strips<'s>(&'s self, seen: Option<&'s ScoreBlocks>) -> impl Iterator<Item = Strip> + 's {
        let side = seen.map_or(QUERIES, |seen| seen.side);
        let Attention { queries, .. } = *self.attention;
        let rows = 0..queries.div_ceil(side);
        rows.map(move |row| {
            let queries = row * side..((row + 1) * side).min(queries);
            let tokens = self.tokens(seen, row, queries.end);
            self.strip(queries, tokens)
        })
    }

    /// What the queries of a row, which end before `end`, see: ranges that do not touch.
    fn tokens(&self, seen: Option<&ScoreBlocks>, row: usize, end: usize) -> Vec<Range<usize>> {
        let Attention { tokens, causal, .. } = *self.attention;
        let most = if causal { tokens.min(end) } else { tokens };
        let Some(seen) = seen else { return (most > 0).then_some(0..most).into_iter().collect() };
        let mut found: Vec<Range<usize>> = Vec::new();
        for &block in &seen.seen[row] {
            let range = block as usize * seen.side..((block as usize + 1) * seen.side).min(most);
            match found.last_mut() {
                _ if range.is_empty() => {}
                Some(last) if last.end == range.start => last.end = range.end,
                _ => found.push(range),
            }
        }
        found
    }

    fn strip(&self, queries: Range<usize>, tokens: Vec<Range<usize>>) -> Strip {
        let Attention { width, features, .. } = *self.attention;
        let count = tokens.iter().map(ExactSizeIterator::len).sum();
        let mut keys = vec![0.0; width * count];
        for (at, token) in tokens.iter().cloned().flatten().enumerate() {
            let key = &self.k[token * width..][..width];
            key.iter().enumerate().for_each(|(i, &v)| keys[i * count + at] = v);
        }
        let values = tokens.iter().flat_map(|range| &self.v[range.start * features..range.end * features]);
        Strip { queries, keys, values: values.copied().collect(), count, tokens }
    }

    fn score(&self, strip: &Strip) -> Product {
        let (rows, outputs) = (strip.queries.len(), strip.count);
        Product(Linear { rows, inputs: self.attention.width, outputs, row_stride: outputs })
    }

    fn mix(&self, strip: &Strip) -> Product {
        let (rows, outputs) = (strip.queries.len(), self.attention.features);
        Product(Linear { rows, inputs: strip.count, outputs, row_stride: outputs })
    }

    fn rows(&self, strip: &Strip) -> &'a [f32] {
        &self.q[strip.queries.start * self.attention.width..strip.queries.end * self.attention.width]
    }

    /// What each query gives to each token that it sees, `[queries, count]`.
    fn weights(&self, strip: &Strip) -> Vec<f32> {
        let mut scores = vec![0.0; strip.queries.len() * strip.count];
        self.score(strip).forward(self.rows(strip), &strip.keys, &mut scores);
        let Attention { scale, causal, .. } = *self.attention;
        for (query, row) in strip.queries.clone().zip(scores.chunks_exact_mut(strip.count.max(1))) {
            let below = strip.tokens.iter().map(|range| range.end.min(query + 1).saturating_sub(range.start));
            let visible = if causal { below.sum() } else { row.len() };
            row[visible..].fill(0.0);
            dispatch(Normalise { row: &mut row[..visible], scale });
        }
        scores
    }

    fn strip_backward(&self, strip: &Strip, dy: &[f32], [dq, dk, dv]: [&mut [f32]; 3]) {
        let Attention { width, features, scale, .. } = *self.attention;
        let dy = &dy[strip.queries.start * features..strip.queries.end * features];
        let weights = self.weights(strip);
        let mix = self.mix(strip);
        let tokens = || strip.tokens.iter().cloned().flatten();
        let values = mix.right_gradient(dy, &weights);
        for (token, row) in tokens().zip(values.chunks_exact(features.max(1))) {
            dv[token * features..][..features].iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        let mut scores = vec![0.0; weights.len()];
        mix.left_gradient(dy, &strip.values, &mut scores);
        let rows = scores.chunks_exact_mut(strip.count.max(1)).zip(weights.chunks_exact(strip.count.max(1)));
        rows.for_each(|(gradients, weights)| dispatch(SoftmaxBackward { gradients, weights, scale }));
        let score = self.score(strip);
        score.left_gradient(&scores, &strip.keys, &mut dq[strip.queries.start * width..strip.queries.end * width]);
        let keys = score.right_gradient(&scores, self.rows(strip));
        for (at, token) in tokens().enumerate() {
            let row = &mut dk[token * width..][..width];
            row.iter_mut().enumerate().for_each(|(i, sum)| *sum += keys[i * strip.count + at]);
        }
    }
}

/// `softmax(scale row)`, in place.
struct Normalise<'a> {
    row: &'a mut [f32],
    scale: f32,
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { row, scale } = self;
        row.iter_mut().for_each(|v| *v *= scale);
        let top = row.iter().fold(f32::NEG_INFINITY, |top, &v| if v > top { v } else { top });
        row.iter_mut().for_each(|v| *v -= top);
        exp_all(simd, row);
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
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
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradients, weights, scale } = self;
        let mean: f32 = gradients.iter().zip(weights).map(|(g, w)| g * w).sum();
        gradients.iter_mut().zip(weights).for_each(|(g, w)| *g = scale * w * (*g - mean));
    }
}
