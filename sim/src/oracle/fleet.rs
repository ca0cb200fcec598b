//! Rungs for the models of a fleet, window by window, by forking the world at the beginning of each.
use super::allowed;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::fleet_stage::FleetStage;
use crate::report::{FleetRun, Run};
use crate::resources::AnyResource;
use crate::workloads::AnyWorkload;
use crate::world::{Limits, World};
use std::ops::Range;
use supple_strategy::{Decision, Demand, Ladder, Nanos, Observation, Policy, policies};

/// Windows that a run is cut into, pass by pass.
const PASSES: [u64; 4] = [1, 4, 16, 64];

/// Events after which no more forks are made, where a fork counts as so many itself.
const MOST_EVENTS: u64 = 30_000_000;
const FORK: u64 = 1000;

type Forked = World<Fleet<AnyResource, AnyWorkload>>;

/// The run of the greatest [`worth`](FleetRun::worth) that a search by forks finds: a bound from below on what hindsight could do.
///
/// The search begins with the best among the policies that have names and each rung held by all. Then it cuts the run into windows, first one, then four, 16
/// and 64, and goes through them in order: the world is forked at the beginning of a window, each model on each machine tries each rung in it, the fork runs to
/// its end with the choices found so far, and what is better is kept (rollout: Bertsekas, Tsitsiklis and Wu, 1997). So it is never worse than those it
/// began with, but there may be better runs: single requests are not chosen for. It ends early after thirty million events.
///
/// # Errors
/// When a policy cannot be made for this scenario.
pub fn best_found(stage: &FleetStage<'_>) -> Result<FleetRun, Error> {
    let mut search = Search::begin(stage)?;
    PASSES.into_iter().for_each(|windows| search.pass(windows));
    let mut planned = planned(&search.plans);
    let (world, reason) = stage.play(&mut lent(&mut planned));
    Ok(stage.figures(Run::BEST_FOUND, &world, reason))
}

/// Rungs of a model on a machine from these times on, ascending; the dense one before.
#[derive(Clone, Debug, Default)]
struct Plan(Vec<(Nanos, usize)>);

impl Plan {
    fn at(&self, now: Nanos) -> usize {
        let later = self.0.partition_point(|(from, _)| *from <= now);
        later.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// Whether it is this rung in all of a span.
    fn holds(&self, span: &Range<Nanos>, rung: usize) -> bool {
        let inside = self.0.iter().filter(|(from, _)| span.contains(from));
        self.at(span.start) == rung && inside.map(|(_, rung)| *rung).all(|inside| inside == rung)
    }

    /// The same with this rung in a span.
    fn with(&self, span: &Range<Nanos>, rung: usize) -> Self {
        let before = self.0.iter().copied().filter(|(from, _)| *from < span.start);
        let after = self.0.iter().copied().filter(|(from, _)| *from > span.end);
        let middle = [(span.start, rung), (span.end, self.at(span.end))];
        Self(before.chain(middle).chain(after).collect())
    }
}

/// A policy whose decisions are noted.
struct Noted {
    policy: Box<dyn Policy>,
    allowed: Vec<usize>,
    plan: Plan,
}

impl Policy for Noted {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        let wanted = self.policy.decide(seen, ladder).rung;
        let rung = nearest(&self.allowed, wanted);
        if self.plan.0.is_empty() || self.plan.at(seen.now) != rung {
            self.plan.0.push((seen.now, rung));
        }
        Decision { rung }
    }

    fn wants(&mut self, demand: &Demand) {
        self.policy.wants(demand);
    }
}

/// What is lent to the world: the plans, as policies.
fn planned(plans: &[Plan]) -> Vec<impl FnMut(&Observation, &Ladder) -> Decision> {
    plans.iter().map(|plan| |seen: &Observation, _: &Ladder| Decision { rung: plan.at(seen.now) }).collect()
}

fn lent<P: Policy>(policies: &mut [P]) -> Vec<&mut dyn Policy> {
    policies.iter_mut().map(|policy| policy as &mut dyn Policy).collect()
}

/// The allowed rung for one that is wanted: itself, else the next cheaper one, else the cheapest.
fn nearest(allowed: &[usize], wanted: usize) -> usize {
    let cheaper = allowed.iter().copied().find(|&rung| rung >= wanted);
    cheaper.or(allowed.last().copied()).unwrap_or(wanted)
}

/// The best plans so far, one for each model on each of its machines.
struct Search<'a> {
    stage: &'a FleetStage<'a>,
    allowed: Vec<Vec<usize>>,
    plans: Vec<Plan>,
    worth: f64,
    /// How long the run of the plans is.
    length: Nanos,
    events: u64,
}

impl<'a> Search<'a> {
    /// The best of the policies that have names, and of each rung held by all.
    fn begin(stage: &'a FleetStage<'a>) -> Result<Self, Error> {
        let allowed = stage.driven().map(|driven| allowed(driven.demand.accuracy_floor, driven.ladder)).collect();
        let worth = f64::NEG_INFINITY;
        let mut search = Self { stage, allowed, plans: Vec::new(), worth, length: Nanos::ZERO, events: 0 };
        for name in policies::names() {
            let plans = search.noted(name)?;
            search.consider(stage.world(), plans);
        }
        let cheapest = search.allowed.iter().filter_map(|rungs| rungs.last()).max().copied().unwrap_or_default();
        for rung in 0..=cheapest {
            let plan = |allowed: &Vec<usize>| Plan(vec![(Nanos::ZERO, nearest(allowed, rung))]);
            let plans = search.allowed.iter().map(plan).collect();
            search.consider(stage.world(), plans);
        }
        Ok(search)
    }

    /// What the policies of this name decide.
    fn noted(&self, name: &str) -> Result<Vec<Plan>, Error> {
        let noted = |(driven, allowed): (_, &Vec<usize>)| {
            let policy = self.stage.policy(name, driven)?;
            Ok(Noted { policy, allowed: allowed.clone(), plan: Plan::default() })
        };
        let mut policies = self.stage.driven().zip(&self.allowed).map(noted).collect::<Result<Vec<_>, Error>>()?;
        self.stage.play(&mut lent(&mut policies));
        Ok(policies.into_iter().map(|noted| noted.plan).collect())
    }

    /// Runs a world to its end with these plans, and keeps them when that is better.
    fn consider(&mut self, mut world: Forked, plans: Vec<Plan>) {
        let before = world.happened();
        let reason = world.run(&mut lent(&mut planned(&plans)), Limits::GENEROUS);
        self.events += FORK + world.happened() - before;
        let worth = self.stage.figures(Run::BEST_FOUND, &world, reason).worth();
        if worth > self.worth {
            (self.plans, self.worth, self.length) = (plans, worth, world.now());
        }
    }

    /// Goes through so many windows.
    fn pass(&mut self, windows: u64) {
        let length = self.length;
        let edge = |window: u64| Nanos((u128::from(length.0) * u128::from(window) / u128::from(windows)) as u64);
        let mut world = self.stage.world();
        for window in 0..windows {
            let end = if window + 1 == windows { Nanos::MAX } else { edge(window + 1) };
            let span = edge(window)..end;
            if let Some(before) = span.start.0.checked_sub(1) {
                world.run(&mut lent(&mut planned(&self.plans)), Limits::until(Nanos(before)));
            }
            self.window(&world, &span);
        }
    }

    /// Tries each rung of each model on each machine in a window, before which the world stands.
    fn window(&mut self, world: &Forked, span: &Range<Nanos>) {
        for actor in 0..self.plans.len() {
            for rung in self.allowed[actor].clone() {
                if self.events >= MOST_EVENTS || self.plans[actor].holds(span, rung) {
                    continue;
                }
                let mut plans = self.plans.clone();
                plans[actor] = plans[actor].with(span, rung);
                self.consider(world.clone(), plans);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plan_changes_in_the_span_alone(points in prop::collection::vec((0..99u64, 0..4usize), 0..9), from in 0..99u64, long in 1..99u64) {
            let mut points: Vec<_> = points.into_iter().map(|(from, rung)| (Nanos(from), rung)).collect();
            points.sort_unstable();
            let plan = Plan(points);
            let span = Nanos(from)..Nanos(from + long);
            let changed = plan.with(&span, 7);
            prop_assert!(changed.holds(&span, 7));
            for now in (0..250).map(Nanos) {
                prop_assert_eq!(changed.at(now), if span.contains(&now) { 7 } else { plan.at(now) });
            }
        }
    }

    #[test]
    fn what_is_not_allowed_becomes_cheaper() {
        assert_eq!([0, 1, 2, 5].map(|wanted| nearest(&[1, 3], wanted)), [1, 1, 3, 3]);
    }
}
