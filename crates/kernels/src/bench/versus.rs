//! Some of a layer's weights or gradients against all of them, in turn.
use super::case::Times;
use super::operands::LayerCase;
use crate::error::Error;
use crate::layer::{Layer, Linear};
use crate::pack::Cut;
use std::time::Duration;

/// The times of a layer with all weights and with those of each cut, in the order of the cuts; each the median over so many `turns`
/// of at most so long a pass.
///
/// # Errors
/// When the layer's weights do not fit a pack, there are fewer blocks than a cut keeps, or a kernel refuses its operands.
pub fn cuts_against_dense(
    layer: &Layer,
    cuts: &[Cut],
    threads: usize,
    turns: (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    against_dense(layer, cuts.iter().map(|&cut| LayerCase::cut(*layer, cut)), threads, turns)
}

/// The times of a linear layer whose gradients all count, and of the same where only those of `counts` outputs do; as [`cuts_against_dense`].
///
/// # Errors
/// When a kernel refuses its operands.
pub fn tops_against_dense(
    layer: Linear,
    counts: &[usize],
    threads: usize,
    turns: (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    let layer = Layer::Linear(layer);
    against_dense(&layer, counts.iter().map(|&count| LayerCase::top(layer, count)), threads, turns)
}

/// The times of a linear layer on inputs of which none is zero, and of the same on those of `counts` inputs, the others being zero in all rows, looked for
/// and skipped; as [`cuts_against_dense`].
///
/// # Errors
/// When a kernel refuses its operands.
pub fn skips_against_dense(
    layer: Linear,
    counts: &[usize],
    threads: usize,
    turns: (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    let layer = Layer::Linear(layer);
    against_dense(&layer, counts.iter().map(|&count| LayerCase::skipping(layer, count)), threads, turns)
}

fn against_dense(
    layer: &Layer,
    others: impl Iterator<Item = Result<LayerCase, Error>>,
    threads: usize,
    (rounds, turn): (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    let dense = std::iter::once(Ok(LayerCase::dense(*layer)));
    let mut cases = dense.chain(others).collect::<Result<Vec<_>, _>>()?;
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds.max(1) {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(Times::within(case, threads, turn)?);
        }
    }
    let others = times.split_off(1);
    Ok((Times::median(&times[0]), others.iter().map(|times| Times::median(times)).collect()))
}
