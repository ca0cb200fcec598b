//! The operands of an attention, and its passes over them.
use super::case::Case;
use super::operands::noise;
use crate::attention::{Attention, ScoreBlocks};
use crate::error::Error;
use supple_graph::Near;

/// An attention with its operands, and the blocks of scores that are computed, if not all.
pub struct AttentionCase {
    attention: Attention,
    seen: Option<ScoreBlocks>,
    /// Queries, keys and values.
    operands: [Vec<f32>; 3],
    gradients: [Vec<f32>; 3],
    y: Vec<f32>,
    dy: Vec<f32>,
}

impl AttentionCase {
    /// All scores.
    pub fn dense(attention: Attention) -> Self {
        let Attention { matrices, queries, tokens, width, features, .. } = attention;
        let lengths = [queries * width, tokens * width, tokens * features].map(|each| matrices * each);
        let y = matrices * queries * features;
        let (operands, gradients) = (lengths.map(noise), lengths.map(|length| vec![0.0; length]));
        Self { attention, seen: None, operands, gradients, y: vec![0.0; y], dy: noise(y) }
    }

    /// The share `density` of the blocks that each query sees, at least one; nothing where the blocks are no matrix.
    pub fn near(attention: Attention, density: f64) -> Option<Self> {
        let side = Near::side_of(attention.tokens);
        let count = ((density * attention.tokens.div_ceil(side) as f64).round() as usize).max(1);
        let seen = ScoreBlocks::near(&attention, Near { side, count }).ok()?;
        Some(Self { seen: Some(seen), ..Self::dense(attention) })
    }
}

impl Case for AttentionCase {
    fn forward(&mut self, threads: usize) -> Result<(), Error> {
        let operands = self.operands.each_ref().map(Vec::as_slice);
        self.attention.forward(self.seen.as_ref(), operands, &mut self.y, threads)
    }

    fn backward(&mut self, threads: usize) -> Result<(), Error> {
        let operands = self.operands.each_ref().map(Vec::as_slice);
        let gradients = self.gradients.each_mut().map(Vec::as_mut_slice);
        self.attention.backward(self.seen.as_ref(), operands, &self.dy, gradients, threads)
    }

    fn chosen(&self) -> &'static str {
        "attention"
    }
}
