//! ALERT's rule: the best rung that is predicted to finish in time.
use crate::demand::Demand;
use crate::error::Error;
use crate::forecast::Forecast;
use crate::ladder::{Ladder, Rung};
use crate::normal;
use crate::policies::PolicyOptions;
use crate::policy::{Completion, Decision, Observation, Policy};
use crate::slowdown::Slowdown;

/// The best rung that is predicted to finish in time with a given confidence, from one filtered slow-down factor
/// ([`Slowdown`]).
///
/// A rung of median time t and time q at the quantile `confidence`, both at full share, is predicted to take, with
/// normal quantile z and slow-down mu and sigma,
///
/// ```text
/// mu t + sqrt((z sigma t)^2 + (mu (q - t))^2)
/// ```
///
/// at most (the machine and the work itself vary independently). A rung keeps the demand when that is within the time
/// left, when at the rate 1 / (mu t) everything that waits is done by the time the last of it is due, and when it
/// reaches the accuracy floor. Of those that keep it, the one of best quality is chosen, the cheaper among equals.
///
/// * When none keeps the demand: the cheapest that reaches the floor. The floor outranks the deadline, since no rung
///   below it may be chosen; only a floor that no rung of the ladder reaches is set aside.
/// * Climbing to a dearer rung waits until `dwell` pieces of work ran on the present one; going down is immediate.
///   Should only a dearer rung keep the demand, it is taken at once: dwell never breaks a demand.
/// * A `miss_ceiling` in the demand raises the confidence to its complement.
/// * As something always runs, each completion on whatever rung corrects the estimate: pessimism heals.
///
/// A decision takes time in proportion to the number of rungs and allocates nothing.
#[derive(Clone, Debug)]
pub struct Kalman {
    slowdown: Slowdown,
    options: PolicyOptions,
    confidence: f64,
    z: f64,
    floor: f64,
    rung: usize,
    held: usize,
}

impl Kalman {
    /// On the dense rung, at full speed.
    ///
    /// # Errors
    /// When an option is not possible.
    pub fn new(options: &PolicyOptions, demand: &Demand) -> Result<Self, Error> {
        options.check()?;
        let confidence = confidence(options, demand);
        Ok(Self {
            slowdown: Slowdown::new(),
            options: *options,
            confidence,
            z: normal::quantile(confidence),
            floor: floor(demand),
            rung: 0,
            held: options.dwell,
        })
    }

    /// The slow-down as it is estimated now.
    pub const fn slowdown(&self) -> &Slowdown {
        &self.slowdown
    }

    /// Time within which this rung is predicted to finish with the demanded confidence, in seconds.
    pub fn bound(&self, rung: &Rung) -> f64 {
        let typical = rung.cost.seconds;
        let jitter = (rung.service.quantile(self.confidence) - rung.service.median()).max(0.0);
        let machine = self.z * self.z * self.slowdown.variance() * typical * typical;
        let work = self.slowdown.mean() * jitter;
        self.slowdown.mean() * typical + (machine + work * work).sqrt()
    }

    fn learn(&mut self, done: Completion, ladder: &Ladder) {
        if let Some(rung) = ladder.rungs().get(done.rung) {
            self.slowdown.observe(done.took.seconds() / rung.cost.seconds);
        }
    }

    fn in_time(&self, seen: &Observation, rung: &Rung) -> bool {
        let backlog = (seen.queued + 1) as f64 * self.slowdown.mean() * rung.cost.seconds;
        backlog <= seen.remaining_of_last.seconds() && self.bound(rung) <= seen.remaining.seconds()
    }

    fn floor_on(&self, ladder: &Ladder) -> f64 {
        let reached = ladder.rungs().iter().any(|rung| rung.quality >= self.floor);
        if reached { self.floor } else { f64::NEG_INFINITY }
    }

    fn best(&self, seen: &Observation, ladder: &Ladder, from: usize, floor: f64) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (i, rung) in ladder.rungs().iter().enumerate().skip(from) {
            let better = rung.quality >= best.map_or(floor, |(_, quality)| quality);
            if better && self.in_time(seen, rung) {
                best = Some((i, rung.quality));
            }
        }
        best.map(|(i, _)| i)
    }

    fn choose(&self, seen: &Observation, ladder: &Ladder) -> usize {
        let floor = self.floor_on(ladder);
        let may_climb = self.held >= self.options.dwell;
        let from = if may_climb { 0 } else { self.rung };
        let best = self.best(seen, ladder, from, floor).or_else(|| self.best(seen, ladder, 0, floor));
        let cheapest = || ladder.rungs().iter().rposition(|rung| rung.quality >= floor);
        best.or_else(cheapest).unwrap_or(ladder.last())
    }
}

impl Policy for Kalman {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        if let Some(done) = seen.finished {
            self.learn(done, ladder);
        }
        let rung = self.choose(seen, ladder);
        if rung != self.rung {
            self.held = 0;
            self.rung = rung;
        }
        self.held = self.held.saturating_add(1);
        Decision { rung }
    }

    fn wants(&mut self, demand: &Demand) {
        self.confidence = confidence(&self.options, demand);
        self.z = normal::quantile(self.confidence);
        self.floor = floor(demand);
    }
}

/// The confidence that is set, or the complement of the `miss_ceiling` where that is higher.
fn confidence(options: &PolicyOptions, demand: &Demand) -> f64 {
    options.confidence.max(demand.miss_ceiling.map_or(0.0, |ceiling| (1.0 - ceiling).min(0.9999)))
}

fn floor(demand: &Demand) -> f64 {
    demand.accuracy_floor.unwrap_or(f64::NEG_INFINITY)
}

impl Forecast for Kalman {
    fn keeps(&self, seen: &Observation, ladder: &Ladder, rung: usize) -> bool {
        let floor = self.floor_on(ladder);
        ladder.rungs().get(rung).is_some_and(|rung| rung.quality >= floor && self.in_time(seen, rung))
    }
}
