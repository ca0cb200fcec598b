//! SlackFit's rule: the best rung that fits the slack, as if the machine were always as fast as when the ladder was measured.
use crate::demand::Demand;
use crate::ladder::Ladder;
use crate::policy::{Decision, Observation, Policy};

/// The best rung whose time at full share, for itself and all that waits behind it, fits the time left; the cheapest rung that reaches the
/// accuracy floor when none does.
///
/// SlackFit of Khare, Garg, Kalra, Grandhi, Stoica and Tumanov, "SuperServe: Fine-Grained Inference Serving for Unpredictable Workloads", NSDI
/// 2025, for batches of one size: the slack of the most urgent request picks the bucket. It looks at nothing that was measured since, so that a
/// share that falls is met by what it does to the queue alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slack {
    floor: f64,
}

impl Slack {
    /// A rule that keeps the demand's accuracy floor.
    pub fn new(demand: &Demand) -> Self {
        Self { floor: demand.accuracy_floor.unwrap_or(0.0) }
    }
}

impl Policy for Slack {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        let waiting = (seen.queued + 1) as f64;
        let mut best: Option<(usize, f64)> = None;
        let mut cheapest = None;
        for (i, rung) in ladder.rungs().iter().enumerate().filter(|(_, rung)| rung.quality >= self.floor) {
            let fits = rung.cost.seconds <= seen.remaining.seconds()
                && waiting * rung.cost.seconds <= seen.remaining_of_last.seconds();
            if fits && best.is_none_or(|(_, quality)| rung.quality >= quality) {
                best = Some((i, rung.quality));
            }
            cheapest = Some(i);
        }
        Decision { rung: best.map(|(i, _)| i).or(cheapest).unwrap_or(ladder.last()) }
    }

    fn wants(&mut self, demand: &Demand) {
        *self = Self::new(demand);
    }
}
