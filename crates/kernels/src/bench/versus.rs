//! Some of a layer's weights against all of them, in turn.
use super::case::Times;
use super::operands::LayerCase;
use crate::error::Error;
use crate::layer::Layer;
use crate::pack::Cut;
use std::time::Duration;

/// The times of a layer with all weights and with those of each cut, in the order of the cuts; each the median over `rounds` turns of at most `turn` a
/// pass.
///
/// # Errors
/// When the layer's weights do not fit a pack, there are fewer blocks than a cut keeps, or a kernel refuses its operands.
pub fn cuts_against_dense(
    layer: &Layer,
    cuts: &[Cut],
    threads: usize,
    (rounds, turn): (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    let mut cases = vec![LayerCase::dense(*layer)];
    for &cut in cuts {
        cases.push(LayerCase::cut(*layer, cut)?);
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds.max(1) {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(Times::within(case, threads, turn)?);
        }
    }
    let cuts = times.split_off(1);
    Ok((Times::median(&times[0]), cuts.iter().map(|times| Times::median(times)).collect()))
}
