//! Random ladders.
use proptest::collection::vec;
use proptest::prelude::*;
use supple_graph::{Density, Kind, Setting};
use supple_strategy::{Amounts, Ladder, Rung, Spread, Stamp};

const RUNGS: usize = 6;

/// Ladders of one to six rungs, dense first; the dense rung takes 1 to 100 ms. Costs and qualities fall from rung to
/// rung; service times scatter in the same proportion on each.
pub fn ladders() -> impl Strategy<Value = Ladder> {
    let steps = vec((0.3..0.95, 0.0..0.1), 1..=RUNGS);
    (0.001..0.1, steps, vec(0.8..2.0, 0..5)).prop_filter_map("a ladder", |(dense, steps, scatter)| {
        let (mut seconds, mut quality) = (dense, 1.0);
        let mut rungs = Vec::with_capacity(steps.len());
        for (i, (factor, loss)) in steps.into_iter().enumerate() {
            quality -= loss;
            rungs.push(rung(i, seconds, quality, &scatter)?);
            seconds *= factor;
        }
        Ladder::new(Stamp::default(), rungs).ok()
    })
}

fn rung(i: usize, seconds: f64, quality: f64, scatter: &[f64]) -> Option<Rung> {
    let density = Density::new(1000 / (i as u16 + 1))?;
    let times = scatter.iter().map(|s| s * seconds).chain([seconds]).collect();
    Some(Rung {
        setting: Setting::uniform(&[Kind::ALL[0]], density),
        cost: Amounts::of_seconds(seconds),
        service: Spread::of(times).ok()?,
        quality,
    })
}
