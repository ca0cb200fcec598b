//! Rungs for the models of a fleet, window by window, by forking the world at the beginning of each.
use super::allowed;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::fleet::stage::FleetStage;
use crate::report::{FleetRun, Run};
use crate::resources::AnyResource;
use crate::workloads::AnyWorkload;
use crate::world::{Limits, World};
use std::ops::Range;
use supple_strategy::{Decision, Demand, Ladder, Nanos, Observation, Policy, policies};

/// Windows that a run is cut into, pass by pass.
const PASSES: [u64; 4] = [4, 16, 64, 256];

/// Pieces of work that there must be for a window.
const PIECES: u64 = 4;

/// By how many rungs a plan is moved within a window.
const SHIFTS: [isize; 4] = [-4, -1, 1, 4];

/// Events after which no more forks are made, where a fork counts as so many itself.
const MOST_EVENTS: u64 = 10_000_000;
const FORK: u64 = 1000;

type Forked = World<Fleet<AnyResource, AnyWorkload>>;

/// The run of the greatest [`worth`](FleetRun::worth) that a search by forks finds: a bound from below on what hindsight could do.
///
/// The search begins with the best among the policies that have names and each rung held by all, then by each model on each machine alone. Then it cuts the
/// run into windows, first four, then 16, 64 and 256 where there is work enough for them, and goes through them in order: the world is forked at the beginning of a window, the plan of each
/// model on each machine is moved up and down within it, or made even, the fork runs to its end, and what is better is kept (rollout: Bertsekas, Tsitsiklis and
/// Wu, 1997). So it is never worse than those it began with, but there may be better runs: single requests are not chosen for. It ends early after ten
/// million events.
///
/// # Errors
/// When a policy cannot be made for this scenario.
pub fn best_found(stage: &FleetStage<'_>) -> Result<FleetRun, Error> {
    let mut search = Search::begin(stage)?;
    for windows in PASSES {
        if search.pieces >= PIECES * windows {
            search.pass(windows);
        }
    }
    let mut planned = search.planned(&search.plans);
    let (world, reason) = stage.play(&mut lent(&mut planned));
    Ok(stage.figures(Run::BEST_FOUND, &world, reason))
}

/// Choices of a model on a machine from these times on, ascending, as indices into its allowed rungs; the first before.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plan(Vec<(Nanos, usize)>);

impl Plan {
    fn at(&self, now: Nanos) -> usize {
        let later = self.0.partition_point(|(from, _)| *from <= now);
        later.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// The same with every choice in a span changed.
    fn with(&self, span: &Range<Nanos>, change: impl Fn(usize) -> usize) -> Self {
        let points = || self.0.iter().copied();
        let before = points().filter(|(from, _)| *from < span.start);
        let inside = points().filter(|(from, _)| *from > span.start && *from < span.end);
        let inside = std::iter::once((span.start, self.at(span.start))).chain(inside);
        let after = points().filter(|(from, _)| *from > span.end);
        let after = std::iter::once((span.end, self.at(span.end))).chain(after);
        let changed = inside.map(|(from, choice)| (from, change(choice)));
        let mut all: Vec<_> = before.chain(changed).chain(after).collect();
        all.dedup_by_key(|(_, choice)| *choice);
        Self(all)
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
        let choice = nearest(&self.allowed, self.policy.decide(seen, ladder).rung);
        if self.plan.0.last().is_none_or(|(_, last)| *last != choice) {
            self.plan.0.push((seen.now, choice));
        }
        Decision { rung: self.allowed[choice] }
    }

    fn wants(&mut self, demand: &Demand) {
        self.policy.wants(demand);
    }
}

fn lent<P: Policy>(policies: &mut [P]) -> Vec<&mut dyn Policy> {
    policies.iter_mut().map(|policy| policy as &mut dyn Policy).collect()
}

/// Index of the allowed rung for one that is wanted: itself, else the next cheaper one, else the cheapest.
fn nearest(allowed: &[usize], wanted: usize) -> usize {
    allowed.partition_point(|&rung| rung < wanted).min(allowed.len() - 1)
}

/// The best plans so far, one for each model on each of its machines.
struct Search<'a> {
    stage: &'a FleetStage<'a>,
    allowed: Vec<Vec<usize>>,
    plans: Vec<Plan>,
    worth: f64,
    /// How long the run of the plans is.
    length: Nanos,
    /// Pieces of work that it is of.
    pieces: u64,
    events: u64,
}

impl<'a> Search<'a> {
    /// The best of the policies that have names, and of each rung held by all.
    fn begin(stage: &'a FleetStage<'a>) -> Result<Self, Error> {
        let allowed = stage.driven().map(|driven| allowed(driven.demand.accuracy_floor, driven.ladder)).collect();
        let worth = f64::NEG_INFINITY;
        let mut search = Self { stage, allowed, plans: Vec::new(), worth, length: Nanos::ZERO, pieces: 0, events: 0 };
        for name in policies::names() {
            let plans = search.noted(name)?;
            search.consider(stage.world(), plans);
        }
        search.hold();
        Ok(search)
    }

    /// Tries each rung, held by all, then by one.
    fn hold(&mut self) {
        let held = |choice: usize| Plan(vec![(Nanos::ZERO, choice)]);
        let most = self.allowed.iter().map(Vec::len).max().unwrap_or(0);
        for choice in 0..most {
            let plans = self.allowed.iter().map(|allowed| held(choice.min(allowed.len() - 1))).collect();
            self.consider(self.stage.world(), plans);
        }
        for actor in 0..self.allowed.len() {
            for choice in 0..self.allowed[actor].len() {
                self.change(&self.stage.world(), actor, held(choice));
            }
        }
    }

    /// What is lent to the world: plans, as policies.
    fn planned(&self, plans: &[Plan]) -> Vec<impl FnMut(&Observation, &Ladder) -> Decision> {
        let planned = |(plan, allowed): (&Plan, &Vec<usize>)| {
            let (plan, allowed) = (plan.clone(), allowed.clone());
            move |seen: &Observation, _: &Ladder| Decision { rung: allowed[plan.at(seen.now)] }
        };
        plans.iter().zip(&self.allowed).map(planned).collect()
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
        let reason = world.run(&mut lent(&mut self.planned(&plans)), Limits::GENEROUS);
        self.events += FORK + world.happened() - before;
        let run = self.stage.figures(Run::BEST_FOUND, &world, reason);
        if run.worth() > self.worth {
            (self.plans, self.worth, self.length, self.pieces) = (plans, run.worth(), world.now(), run.pieces() as u64);
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
                world.run(&mut lent(&mut self.planned(&self.plans)), Limits::until(Nanos(before)));
            }
            self.window(&world, &span);
        }
    }

    /// Changes each plan in a window, before which the world stands.
    fn window(&mut self, world: &Forked, span: &Range<Nanos>) {
        for actor in 0..self.plans.len() {
            let last = self.allowed[actor].len() - 1;
            for shift in SHIFTS {
                let moved = |choice: usize| choice.saturating_add_signed(shift).min(last);
                self.change(world, actor, self.plans[actor].with(span, moved));
            }
            let first = self.plans[actor].at(span.start);
            self.change(world, actor, self.plans[actor].with(span, |_| first));
        }
    }

    /// Considers another plan for one, unless it is the same, or enough has been considered.
    fn change(&mut self, world: &Forked, actor: usize, plan: Plan) {
        if self.events < MOST_EVENTS && self.plans[actor] != plan {
            let mut plans = self.plans.clone();
            plans[actor] = plan;
            self.consider(world.clone(), plans);
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
            let changed = plan.with(&span, |choice| choice + 7);
            for now in (0..250).map(Nanos) {
                prop_assert_eq!(changed.at(now), plan.at(now) + if span.contains(&now) { 7 } else { 0 });
            }
        }
    }

    #[test]
    fn what_is_not_allowed_becomes_cheaper() {
        assert_eq!([0, 1, 2, 5].map(|wanted| nearest(&[1, 3], wanted)), [0, 0, 1, 1]);
    }
}
