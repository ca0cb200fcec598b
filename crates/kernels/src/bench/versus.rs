//! Some of a layer's weights or gradients against all of them, in turn.
use super::case::Times;
use super::operands::LayerCase;
use crate::error::Error;
use crate::layer::{Layer, Linear};
use crate::pack::Cut;
use std::time::Duration;

/// How a layer is compared with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Whether backward asks for the gradient of the input, as it does where something before the layer learns.
    pub learns: bool,
    /// Threads.
    pub threads: usize,
    /// How often each case has its turn, and about how long a turn of one pass is.
    pub turns: (usize, Duration),
}

/// The median times of a layer with all weights and with those of each cut, in the order of the cuts, backward as training does it: with values gathered
/// from dense weights, and gradients put back to where these stand.
///
/// # Errors
/// When the layer's weights do not fit a pack, there are fewer blocks than a cut keeps, or a kernel refuses its operands.
pub fn cuts_against_dense(layer: &Layer, cuts: &[Cut], trial: Trial) -> Result<(Times, Vec<Times>), Error> {
    against_dense(layer, cuts.iter().map(|&cut| LayerCase::chosen(*layer, cut)), trial)
}

/// The times of a layer whose gradients all count, and of the same where only those of `counts` outputs do, forward alike; as [`cuts_against_dense`].
///
/// # Errors
/// When it is a convolution of several groups, or a kernel refuses its operands.
pub fn tops_against_dense(layer: &Layer, counts: &[usize], trial: Trial) -> Result<(Times, Vec<Times>), Error> {
    let (dense, some) = against_dense(layer, counts.iter().map(|&count| LayerCase::top(*layer, count)), trial)?;
    Ok((dense, some.into_iter().map(|times| Times { forward: dense.forward, ..times }).collect()))
}

/// The times of a linear layer on all its inputs, and on the `counts` largest alone, the same in all rows, which are looked for, the others being skipped;
/// backward alike; as [`cuts_against_dense`].
///
/// # Errors
/// When a kernel refuses its operands.
pub fn active_against_dense(layer: Linear, counts: &[usize], trial: Trial) -> Result<(Times, Vec<Times>), Error> {
    let layer = Layer::Linear(layer);
    let cases = counts.iter().map(|&count| LayerCase::active(layer, count).map(LayerCase::alike));
    let (dense, some) = against_dense(&layer, cases, trial)?;
    Ok((dense, some.into_iter().map(|times| Times { backward: dense.backward, ..times }).collect()))
}

fn against_dense(
    layer: &Layer,
    others: impl Iterator<Item = Result<LayerCase, Error>>,
    Trial { learns, threads, turns: (rounds, turn) }: Trial,
) -> Result<(Times, Vec<Times>), Error> {
    let dense = std::iter::once(Ok(LayerCase::dense(*layer)));
    let cases = dense.chain(others).map(|case| Ok(case?.learning(learns)));
    let mut cases = cases.collect::<Result<Vec<_>, Error>>()?;
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds.max(1) {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(Times::within(case, threads, turn)?);
        }
    }
    let others = times.split_off(1);
    Ok((Times::median(&times[0]), others.iter().map(|times| Times::median(times)).collect()))
}
