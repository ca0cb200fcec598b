//! Attention equals the plain sums, with every score that no block holds left out; so do its gradients, and finite differences.
mod common;

use common::{close, values};
use proptest::collection::vec;
use proptest::prelude::*;
use supple_kernels::{Attention, ScoreBlocks};

/// An attention with operands and, perhaps, the blocks that are seen.
#[derive(Clone, Debug)]
struct Case {
    attention: Attention,
    blocks: Option<(usize, Vec<Vec<u32>>)>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn sees(&self, query: usize, token: usize) -> bool {
        let within = |(side, seen): &(usize, Vec<Vec<u32>>)| seen[query / side].contains(&((token / side) as u32));
        (!self.attention.causal || token <= query) && self.blocks.as_ref().is_none_or(within)
    }

    fn score_blocks(&self) -> Option<ScoreBlocks> {
        self.blocks.as_ref().map(|(side, seen)| ScoreBlocks::new(*side, seen.clone()).unwrap())
    }

    /// The weights of each query, in doubles.
    fn weights(&self, [q, k]: [&[f64]; 2], matrix: usize, query: usize) -> Vec<f64> {
        let Attention { queries, tokens, width, scale, .. } = self.attention;
        let score = |token: usize| {
            let (q, k) = (&q[(matrix * queries + query) * width..], &k[(matrix * tokens + token) * width..]);
            f64::from(scale) * q[..width].iter().zip(k).map(|(q, k)| q * k).sum::<f64>()
        };
        let seen = |token: usize| if self.sees(query, token) { score(token).exp() } else { 0.0 };
        let powers: Vec<f64> = (0..tokens).map(seen).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| if sum > 0.0 { power / sum } else { 0.0 }).collect()
    }

    fn output(&self, [q, k, v]: [&[f64]; 3]) -> Vec<f64> {
        let Attention { matrices, queries, tokens, features, .. } = self.attention;
        let mut y = Vec::new();
        for (matrix, query) in (0..matrices).flat_map(|m| (0..queries).map(move |q| (m, q))) {
            let weights = self.weights([q, k], matrix, query);
            let at = |token: usize, feature: usize| v[(matrix * tokens + token) * features + feature];
            y.extend((0..features).map(|f| (0..tokens).map(|t| weights[t] * at(t, f)).sum::<f64>()));
        }
        y
    }

    fn doubles(&self) -> [Vec<f64>; 3] {
        [&self.q, &self.k, &self.v].map(|values| values.iter().map(|&v| f64::from(v)).collect())
    }

    /// The slope of `sum(dy y)` along one element of an operand.
    fn slope(&self, operand: usize, at: usize) -> f64 {
        const STEP: f64 = 1e-5;
        let loss = |step: f64| {
            let mut operands = self.doubles();
            operands[operand][at] += step;
            let y = self.output(operands.each_ref().map(Vec::as_slice));
            y.iter().zip(&self.dy).map(|(y, dy)| y * f64::from(*dy)).sum::<f64>()
        };
        (loss(STEP) - loss(-STEP)) / (2.0 * STEP)
    }

    fn gradients(&self, threads: usize) -> [Vec<f32>; 3] {
        let [mut dq, mut dk, mut dv] = [&self.q, &self.k, &self.v].map(|like| vec![9.0; like.len()]);
        let (blocks, operands) = (self.score_blocks(), [&self.q[..], &self.k, &self.v]);
        let gradients = [&mut dq[..], &mut dk, &mut dv];
        self.attention.backward(blocks.as_ref(), operands, &self.dy, gradients, threads).unwrap();
        [dq, dk, dv]
    }
}

fn case(side: std::ops::Range<usize>, longest: usize) -> impl Strategy<Value = Case> {
    let sizes = (0usize..4, 0..longest, 0..longest, 0usize..6, 0usize..6, any::<bool>(), any::<u64>());
    (sizes, proptest::option::of((side, vec(vec(any::<bool>(), longest), longest)))).prop_map(|(sizes, flags)| {
        let (matrices, queries, tokens, width, features, causal, seed) = sizes;
        let attention = Attention { matrices, queries, tokens, width, features, scale: 0.7, causal };
        let blocks = flags.map(|(side, flags)| {
            let numbers = |row: &Vec<bool>| {
                let numbers = row.iter().take(tokens.div_ceil(side)).enumerate().filter(|(_, keep)| **keep);
                numbers.map(|(block, _)| block as u32).collect()
            };
            (side, flags.iter().take(queries.div_ceil(side)).map(numbers).collect())
        });
        let of = |rows: usize, columns: usize, salt| values(matrices * rows * columns, seed ^ salt);
        let (q, k, v) = (of(queries, width, 1), of(tokens, width, 2), of(tokens, features, 3));
        Case { attention, blocks, q, k, v, dy: of(queries, features, 4) }
    })
}

proptest! {
    #[test]
    fn outputs_equal_plain_sums(case in case(1..9, 20), threads in 1usize..3) {
        let mut y = vec![9.0; case.dy.len()];
        let blocks = case.score_blocks();
        case.attention.forward(blocks.as_ref(), [&case.q, &case.k, &case.v], &mut y, threads).unwrap();
        close(&y, &case.output(case.doubles().each_ref().map(Vec::as_slice)), "y")?;
    }

    #[test]
    fn gradients_equal_slopes(case in case(1..5, 8), threads in 1usize..3) {
        for (operand, found) in case.gradients(threads).iter().enumerate() {
            for (at, &gradient) in found.iter().enumerate() {
                let slope = case.slope(operand, at);
                prop_assert!((f64::from(gradient) - slope).abs() < 1e-4 * (1.0 + slope.abs()), "operand {operand} at {at}: {gradient}, slope {slope}");
            }
        }
    }

    /// Blocks that hold every score are no blocks at all.
    #[test]
    fn all_blocks_are_dense(case in case(3..4, 150)) {
        let dense = Case { blocks: None, ..case.clone() };
        let Attention { queries, tokens, .. } = case.attention;
        let all = (0..tokens.div_ceil(32) as u32).collect::<Vec<_>>();
        let full = Case { blocks: Some((32, vec![all; queries.div_ceil(32)])), ..case };
        for (a, b) in full.gradients(1).iter().zip(dense.gradients(2)) {
            let doubles: Vec<f64> = b.iter().map(|&v| f64::from(v)).collect();
            close(a, &doubles, "gradients")?;
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_memory_is_touched() {
    let attention = Attention { matrices: 1, queries: 2, tokens: 4, width: 1, features: 1, scale: 1.0, causal: false };
    let (q, k) = ([1.0; 2], [1.0; 4]);
    let mut y = [9.0; 2];
    assert!(attention.forward(None, [&q, &k[..3], &k], &mut y, 1).is_err());
    for rows in [Vec::new(), vec![vec![2]]] {
        let blocks = ScoreBlocks::new(2, rows).unwrap();
        assert!(attention.forward(Some(&blocks), [&q, &k, &k], &mut y, 1).is_err());
    }
    assert_eq!(y, [9.0; 2]);
    assert!(ScoreBlocks::new(0, Vec::new()).is_err());
    assert!(ScoreBlocks::new(2, vec![vec![1, 1]]).is_err());
}

#[test]
fn what_is_not_a_number_stays_so() {
    let attention = Attention { matrices: 1, queries: 1, tokens: 2, width: 1, features: 1, scale: 1.0, causal: false };
    let mut y = [0.0];
    attention.forward(None, [&[1.0], &[f32::NAN, 1.0], &[1.0, 2.0]], &mut y, 1).unwrap();
    assert!(y[0].is_nan());
}
