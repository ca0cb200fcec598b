//! Which scores of an attention are computed.
use serde::{Deserialize, Serialize};

/// Blocks of scores that are computed, of an attention whose queries and tokens are cut into blocks of `side`: each block of queries sees `count` blocks of
/// tokens, its own first, then the first of all, then those nearest to its own, of equals the lower (a sliding window with a sink: Child et al., 2019; Xiao et
/// al., 2024). Those seen at a smaller count are among those seen at a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// Queries and tokens of a block.
    pub side: usize,
    /// Blocks of tokens that each block of queries sees, at most.
    pub count: usize,
}

impl Near {
    /// Blocks that an axis is cut into, at least, if it is that long.
    const LEAST: usize = 8;
    /// Queries or tokens of a block, at most.
    const LARGEST: usize = 64;

    /// The side of blocks for so many tokens.
    pub fn side_of(tokens: usize) -> usize {
        (tokens / Self::LEAST).clamp(1, Self::LARGEST)
    }

    /// The blocks of tokens that block `row` of the queries sees, in ascending order; where it is causal, none that lies behind its own.
    ///
    /// # Panics
    /// When the side is zero.
    pub fn seen(&self, row: usize, [queries, tokens]: [usize; 2], causal: bool) -> Vec<usize> {
        let [rows, blocks] = [queries, tokens].map(|length| length.div_ceil(self.side));
        let own = if causal { row } else { row * blocks / rows.max(1) };
        let own = own.min(blocks.saturating_sub(1));
        let mut order: Vec<usize> = (0..if causal { (own + 1).min(blocks) } else { blocks }).collect();
        order.sort_by_key(|&block| (block != own, block != 0, block.abs_diff(own)));
        order.truncate(self.count);
        order.sort_unstable();
        order
    }

    /// Part of the pairs of a query and a token that are seen.
    ///
    /// # Panics
    /// When the side is zero.
    pub fn density(&self, lengths: [usize; 2], causal: bool) -> f64 {
        let [queries, tokens] = lengths;
        let long = |block: usize, length: usize| self.side.min(length - block * self.side);
        let seen = |row: usize| {
            let tokens = self.seen(row, lengths, causal).into_iter().map(|block| long(block, tokens));
            long(row, queries) * tokens.sum::<usize>()
        };
        let pairs: usize = (0..queries.div_ceil(self.side)).map(seen).sum();
        pairs as f64 / (queries * tokens).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Near;

    #[test]
    fn its_own_the_first_and_the_nearest_are_seen() {
        let seen = |count, row, causal| Near { side: 2, count }.seen(row, [12, 12], causal);
        assert_eq!(seen(1, 3, false), [3]);
        assert_eq!(seen(2, 3, false), [0, 3]);
        assert_eq!(seen(4, 3, false), [0, 2, 3, 4]);
        assert_eq!(seen(3, 0, false), [0, 1, 2]);
        assert_eq!(seen(4, 3, true), [0, 1, 2, 3]);
        assert_eq!(seen(3, 1, true), [0, 1]);
    }
}
