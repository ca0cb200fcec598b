//! What hindsight would have chosen: the bounds that policies are measured against.
//!
//! | what runs | bound | how far from the best there can be |
//! |---|---|---|
//! | one served model on one machine | [`hindsight`] | it is the best |
//! | one training run on one machine | [`hindsight_training`] | what it says itself, mostly less than a step |
//! | a fleet | [`best_found`] | not known: regret against it is the least that there is to regret |
//!
//! All of them know the trace, the arrivals and every random number, and keep the accuracy floor with which the scenario begins, where some rung
//! reaches it.
mod fleet;
mod serving;
mod training;

pub use fleet::best_found;
pub use serving::hindsight;
pub use training::hindsight_training;

use supple_strategy::Ladder;

/// Rungs that reach the floor; all where none does.
fn allowed(floor: Option<f64>, ladder: &Ladder) -> Vec<usize> {
    let all = 0..ladder.rungs().len();
    let reach: Vec<usize> = all.clone().filter(|&i| ladder.rungs()[i].quality >= floor.unwrap_or(0.0)).collect();
    if reach.is_empty() { all.collect() } else { reach }
}
