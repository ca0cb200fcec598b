//! Random traces.
use proptest::collection::vec;
use proptest::prelude::*;
use supple_sim::{End, Trace};
use supple_strategy::Nanos;

const PIECES: usize = 8;

/// Traces of one to eight pieces of up to two seconds each, with any end; a share is zero in one piece of five.
pub fn traces() -> impl Strategy<Value = Trace> {
    let share = prop_oneof![4 => 0.01..=1.0, 1 => Just(0.0)];
    let end = prop_oneof![Just(End::Hold), Just(End::Loop), Just(End::Stop)];
    (vec((1u64..2_000_000_000, share), 1..=PIECES), end).prop_filter_map("a trace", |(pieces, end)| {
        let mut at = Nanos::ZERO;
        let mut points = Vec::with_capacity(pieces.len());
        for (length, share) in pieces {
            points.push((at, share));
            at = at + Nanos(length);
        }
        Trace::new(points, at, end).ok()
    })
}
