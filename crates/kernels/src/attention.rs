//! Scaled dot-product attention, of which blocks of scores can be left out.
mod matrix;
mod softmax;

use crate::error::Error;
use crate::pool::{Scratch, for_each};
use crate::simd::dispatch;
use crate::transpose::Transpose;
use matrix::Matrix;
use supple_graph::Near;

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

    /// Those near each block of queries.
    ///
    /// # Errors
    /// When the side is zero.
    pub fn near(attention: &Attention, near: Near) -> Result<Self, Error> {
        let Attention { queries, tokens, causal, .. } = *attention;
        let rows = if near.side == 0 { 0 } else { queries.div_ceil(near.side) };
        let seen = |row| near.seen(row, [queries, tokens], causal).into_iter().map(|block| block as u32).collect();
        Self::new(near.side, (0..rows).map(seen).collect())
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
