//! Embedded data for sequence models: additions, character by character.
use crate::data::{Data, Split};
use crate::error::Result;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use supple_executor::IGNORED;

/// The characters, by token; the last one fills rows up.
const VOCABULARY: &str = "0123456789+=; ";
/// Operands are below this.
const LIMIT: u32 = 100;
/// The characters of the longest sum, `99+99=198;`.
const LONGEST: usize = 10;
/// One pair of operands in so many is held out.
const HELD_OUT: usize = 10;

/// Sums such as `37+48=85;`: predict the answer and its end, character by character.
///
/// A row is nine tokens, filled up with blanks; its targets are the next token at each position, ignored before the
/// `=` and after the `;`. A row is right only when its whole answer is. All pairs of operands below 100 are there once:
/// nine tenths to learn from, one tenth held out, and `a+b` is always on the same side as `b+a`.
pub fn sums(seed: u64) -> Result<Data> {
    let mut pairs: Vec<(u32, u32)> = (0..LIMIT).flat_map(|a| (a..LIMIT).map(move |b| (a, b))).collect();
    pairs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let (train, held_out) = pairs.split_at(pairs.len() - pairs.len() / HELD_OUT);
    Data::of_tokens("sums", VOCABULARY.chars().collect(), rows(train)?, rows(held_out)?)
}

fn rows(pairs: &[(u32, u32)]) -> Result<Split> {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for (a, b) in pairs.iter().flat_map(|&(a, b)| both_ways(a, b)) {
        let sum = format!("{a}+{b}={};", a + b);
        let tokens = tokens(&sum);
        let asked = sum.find('=').unwrap_or(0)..sum.len() - 1;
        inputs.extend(tokens[..LONGEST - 1].iter().map(|&token| token as f32));
        targets.extend((0..LONGEST - 1).map(|at| if asked.contains(&at) { tokens[at + 1] } else { IGNORED }));
    }
    Split::new(inputs, vec![LONGEST - 1], targets, LONGEST - 1, true)
}

fn both_ways(a: u32, b: u32) -> impl Iterator<Item = (u32, u32)> {
    std::iter::once((a, b)).chain((a != b).then_some((b, a)))
}

fn tokens(sum: &str) -> Vec<u32> {
    let token = |char| VOCABULARY.find(char).map_or(0, |token| token as u32);
    format!("{sum:LONGEST$}").chars().map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The question as far as its `=`, and the answer that the targets ask for.
    fn spelt(split: &Split, row: usize) -> (String, String) {
        let spell = |token: &u32| VOCABULARY.chars().nth(*token as usize).unwrap();
        let batch = split.batch(&[row]);
        let input: String = batch.input.data().iter().map(|&token| spell(&(token as u32))).collect();
        let answer = batch.targets.iter().filter(|&&target| target != IGNORED).map(spell).collect();
        (input.split('=').next().unwrap().into(), answer)
    }

    fn operands(question: &str) -> (u32, u32) {
        let (a, b) = question.split_once('+').unwrap();
        (a.parse().unwrap(), b.parse().unwrap())
    }

    #[test]
    fn every_pair_is_there_once_with_its_right_answer() {
        let data = sums(7).unwrap();
        let mut seen = BTreeSet::new();
        for split in [&data.train, &data.held_out] {
            for row in 0..split.len() {
                let (question, answer) = spelt(split, row);
                let (a, b) = operands(&question);
                assert_eq!(answer, format!("{};", a + b));
                assert!(seen.insert((a, b)));
            }
        }
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn no_held_out_pair_is_learnt_in_either_order() {
        let data = sums(7).unwrap();
        let pairs = |split: &Split| -> BTreeSet<_> {
            (0..split.len()).map(|row| operands(&spelt(split, row).0)).map(|(a, b)| (a.min(b), a.max(b))).collect()
        };
        assert!(pairs(&data.train).is_disjoint(&pairs(&data.held_out)));
    }

    #[test]
    fn the_answer_is_asked_for_from_the_equals_sign_on() {
        let tokens = tokens("5+7=12;");
        assert_eq!(tokens, [5, 10, 7, 11, 1, 2, 12, 13, 13, 13]);
        let split = rows(&[(5, 7)]).unwrap();
        assert_eq!(split.targets()[..9], [IGNORED, IGNORED, IGNORED, 1, 2, 12, IGNORED, IGNORED, IGNORED]);
        assert_eq!((split.len(), split.exact()), (2, true));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(sums(1).unwrap(), sums(1).unwrap());
        assert_ne!(sums(1).unwrap(), sums(2).unwrap());
    }
}
