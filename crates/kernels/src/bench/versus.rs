//! Blocks against all weights of one layer, in turn.
use super::case::{Case, Times};
use super::operands::LayerCase;
use crate::error::Error;
use crate::layer::Layer;
use crate::pack::Order;
use std::time::Duration;

/// The times of a layer with all weights and with blocks of `height` at each density, in the order of the densities; each the median over `rounds`
/// turns of at most `turn` a pass.
///
/// # Errors
/// When the layer's weights do not fit a pack, or a kernel refuses its operands.
pub fn blocks_against_dense(
    layer: &Layer,
    height: usize,
    densities: &[f64],
    threads: usize,
    (rounds, turn): (usize, Duration),
) -> Result<(Times, Vec<Times>), Error> {
    let none = || Error::new("bench", format!("{layer:?} has no blocks of {height}"));
    let blocks = |&density: &f64| LayerCase::blocks(*layer, height, Order::Importance, density).ok_or_else(none);
    let mut cases = vec![LayerCase::dense(*layer)];
    cases.extend(densities.iter().map(blocks).collect::<Result<Vec<_>, _>>()?);
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds.max(1) {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(Times::within(case as &mut dyn Case, threads, turn)?);
        }
    }
    let mut medians = times.iter().map(|times| Times::median(times));
    let dense = medians.next().ok_or_else(none)?;
    Ok((dense, medians.collect()))
}
