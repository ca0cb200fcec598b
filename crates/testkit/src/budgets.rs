//! Random budgets.
use crate::menus::menus;
use proptest::prelude::*;
use supple_strategy::{Amounts, Menu, Resource};

/// Budgets for a menu: of each resource no limit, or one between a little less than the least and a little more than
/// the most that a setting can cost.
pub fn budgets(menu: &Menu) -> impl Strategy<Value = Amounts> + use<> {
    let limit = |resource| {
        let (least, most) = range(menu, resource);
        let limited = (-0.1..1.1).prop_map(move |part: f64| least + part * (most - least));
        prop_oneof![3 => limited, 1 => Just(f64::INFINITY)]
    };
    (limit(Resource::Seconds), limit(Resource::Resident), limit(Resource::Moved), limit(Resource::Joules))
        .prop_map(|(seconds, resident, moved, joules)| Amounts { seconds, resident, moved, joules })
}

/// A menu, and a budget for it.
pub fn menus_with_budgets() -> impl Strategy<Value = (Menu, Amounts)> {
    menus().prop_flat_map(|menu| {
        let budget = budgets(&menu);
        (Just(menu), budget)
    })
}

fn range(menu: &Menu, resource: Resource) -> (f64, f64) {
    menu.sites.iter().fold((menu.base.get(resource), menu.base.get(resource)), |(least, most), offers| {
        let prices = || offers.iter().map(|offer| offer.price.get(resource));
        (least + prices().fold(f64::INFINITY, f64::min), most + prices().fold(f64::NEG_INFINITY, f64::max))
    })
}
