//! Random observations.
use proptest::collection::vec;
use proptest::prelude::*;
use supple_strategy::{Completion, Ladder, Nanos, Observation};

const LENGTH: usize = 60;

/// What a policy may see in a run on a ladder, up to 60 times: time goes on; from nothing to six times the dense rung's
/// cost remains; up to nine pieces of work wait; what finished took 0.5 to 20 times its rung's cost.
pub fn observations(ladder: &Ladder) -> impl Strategy<Value = Vec<Observation>> + use<> {
    let costs: Vec<f64> = ladder.rungs().iter().map(|rung| rung.cost.seconds).collect();
    vec(observation(costs), 1..=LENGTH).prop_map(|mut all| {
        let mut now = Nanos::ZERO;
        for seen in &mut all {
            now = now + seen.now;
            seen.now = now;
        }
        all
    })
}

fn observation(costs: Vec<f64>) -> impl Strategy<Value = Observation> {
    let dense = costs[0];
    let slowdown = prop_oneof![3 => 0.5..1.5, 1 => 1.5..20.0];
    let finished = (0..costs.len(), slowdown).prop_map(move |(rung, slowdown): (usize, f64)| Completion {
        rung,
        took: Nanos::from_seconds(slowdown * costs[rung]),
    });
    let span = move |times: f64| (0.0..times).prop_map(move |x: f64| Nanos::from_seconds(x * dense));
    (span(2.0), span(6.0), 0usize..10, span(30.0), proptest::option::weighted(0.9, finished)).prop_map(
        |(now, remaining, queued, more, finished)| Observation {
            now,
            remaining,
            queued,
            remaining_of_last: if queued == 0 { remaining } else { remaining + more },
            finished,
        },
    )
}
