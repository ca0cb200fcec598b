//! Random menus.
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use supple_graph::{Choice, Density, Kind};
use supple_strategy::{Amounts, Menu, Offer};

const SITES: usize = 4;
const OFFERS: usize = 4;

/// Well-formed menus of up to four sites with one to four offers each, small enough to try every setting. Densities at
/// a site differ, from dense downwards; prices and losses need not follow them.
pub fn menus() -> impl Strategy<Value = Menu> {
    (amounts(10), vec(site(), 0..=SITES)).prop_map(|(base, sites)| Menu { base, sites })
}

fn site() -> impl Strategy<Value = Vec<Offer>> {
    let densities = btree_set((1u16..=1000).prop_filter_map("a density", Density::new), 1..=OFFERS);
    (select(Kind::ALL), densities, vec((amounts(40), 0u32..50), OFFERS)).prop_map(|(kind, densities, terms)| {
        let offer = |(density, (price, loss)): (Density, (Amounts, u32))| Offer {
            choice: Choice { kind, density },
            price,
            loss: f64::from(loss) / 100.0,
        };
        densities.into_iter().rev().zip(terms).map(offer).collect()
    })
}

fn amounts(most: u32) -> impl Strategy<Value = Amounts> {
    let number = move || (0..most).prop_map(|tenths| f64::from(tenths) / 10.0);
    (number(), number(), number(), number()).prop_map(|(seconds, resident, moved, joules)| Amounts {
        seconds,
        resident,
        moved,
        joules,
    })
}
