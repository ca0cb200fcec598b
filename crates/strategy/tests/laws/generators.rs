//! Random menus, budgets, ladders and observations.
use proptest::collection::vec;
use proptest::prelude::*;
use supple_graph::{Choice, Density, Kind, Setting};
use supple_strategy::{Amounts, Completion, Ladder, Menu, Nanos, Observation, Offer, Resource, Rung, Spread, Stamp};

pub fn density(per_mille: u16) -> Density {
    Density::new(per_mille).expect("1 to 1000 per mille")
}

pub fn amounts(range: std::ops::Range<i32>) -> impl Strategy<Value = Amounts> {
    let number = move || range.clone().prop_map(|n| f64::from(n) * 0.1);
    (number(), number(), number(), number()).prop_map(|(seconds, resident, moved, joules)| Amounts {
        seconds,
        resident,
        moved,
        joules,
    })
}

fn offer() -> impl Strategy<Value = Offer> {
    (1u16..=1000, amounts(0..40), 0i32..50).prop_map(|(per_mille, price, loss)| Offer {
        choice: Choice { kind: Kind::ALL[0], density: density(per_mille) },
        price,
        loss: f64::from(loss) * 0.01,
    })
}

pub fn menus(sites: usize, offers: usize) -> impl Strategy<Value = Menu> {
    (amounts(0..10), vec(vec(offer(), 1..=offers), 0..=sites)).prop_map(|(base, sites)| Menu { base, sites })
}

/// A menu and a budget between what its cheapest and its dearest setting cost, some resources without limit.
pub fn menus_and_budgets(sites: usize, offers: usize) -> impl Strategy<Value = (Menu, Amounts)> {
    (menus(sites, offers), vec(prop_oneof![3 => (-0.1..1.1).prop_map(Some), 1 => Just(None)], 4)).prop_map(
        |(menu, parts)| {
            let at = |i: usize| parts[i].map_or(f64::INFINITY, |part| between(&menu, Resource::ALL[i], part));
            let budget = Amounts { seconds: at(0), resident: at(1), moved: at(2), joules: at(3) };
            (menu, budget)
        },
    )
}

fn between(menu: &Menu, resource: Resource, part: f64) -> f64 {
    let extreme = |pick: fn(f64, f64) -> f64, start: f64| -> f64 {
        menu.sites.iter().map(|site| site.iter().map(|o| o.price.get(resource)).fold(start, pick)).sum()
    };
    let (low, high) = (extreme(f64::min, f64::INFINITY), extreme(f64::max, 0.0));
    menu.base.get(resource) + low + part * (high - low)
}

fn rung((i, cost, quality): (usize, f64, f64), jitter: &[f64]) -> Rung {
    Rung {
        setting: Setting::uniform(&[Kind::ALL[0]], density(1000 - 100 * i as u16)),
        cost: Amounts::of_seconds(cost),
        service: Spread::of(jitter.iter().map(|j| cost * j).collect()).expect("finite times"),
        quality,
    }
}

/// Ladders of one to six rungs whose quality need not fall.
pub fn ladders() -> impl Strategy<Value = Ladder> {
    (vec((0.3..0.95, 0.5..1.0), 1..=6), vec(0.8..2.0, 1..5)).prop_map(|(steps, jitter)| {
        let mut cost = 0.02;
        let rungs = steps.iter().enumerate().map(|(i, &(factor, quality))| {
            cost *= factor;
            rung((i, cost, quality), &jitter)
        });
        Ladder::new(Stamp::default(), rungs.collect()).expect("falling costs")
    })
}

fn observation() -> impl Strategy<Value = Observation> {
    let done = (0usize..7, 1u64..200_000_000).prop_map(|(rung, took)| Completion { rung, took: Nanos(took) });
    (0u64..60_000_000, 0usize..10, 0u64..400_000_000, proptest::option::of(done)).prop_map(
        |(remaining, queued, more, finished)| Observation {
            now: Nanos::ZERO,
            remaining: Nanos(remaining),
            queued,
            remaining_of_last: Nanos(if queued == 0 { remaining } else { remaining + more }),
            finished,
        },
    )
}

pub fn observations() -> impl Strategy<Value = Vec<Observation>> {
    vec(observation(), 1..60)
}
