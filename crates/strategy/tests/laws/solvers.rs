use crate::generators::menus_and_budgets;
use proptest::prelude::*;
use supple_strategy::solvers::{self, Exact, Greedy};
use supple_strategy::{Amounts, Answer, Menu, Proof, Shortfall, Solver};

/// Least loss of all settings within the budget, by trying all of them.
fn brute(menu: &Menu, budget: &Amounts) -> Option<f64> {
    fn walk(menu: &Menu, budget: &Amounts, site: usize, price: Amounts, loss: f64) -> Option<f64> {
        let Some(offers) = menu.sites.get(site) else { return price.within(budget).then_some(loss) };
        offers.iter().filter_map(|o| walk(menu, budget, site + 1, price + o.price, loss + o.loss)).reduce(f64::min)
    }
    walk(menu, budget, 0, menu.base, 0.0)
}

fn bytes(result: &Result<Answer, Shortfall>) -> String {
    match result {
        Ok(answer) => serde_json::to_string(answer).expect("an answer"),
        Err(shortfall) => serde_json::to_string(shortfall).expect("a shortfall"),
    }
}

fn obeys(solver: &mut dyn Solver, menu: &Menu, budget: &Amounts) -> Result<(), TestCaseError> {
    let result = solver.solve(menu, budget);
    prop_assert_eq!(bytes(&result), bytes(&solver.solve(menu, budget)));
    match (&result, brute(menu, budget)) {
        (Ok(answer), Some(least)) => {
            prop_assert!(answer.price.within(budget));
            prop_assert_eq!(answer.setting.choices().len(), menu.sites.len());
            prop_assert!(answer.loss >= least - 1e-12);
            match answer.proof {
                Proof::Optimal => prop_assert!(answer.loss <= least + 1e-9, "{} > {least}", answer.loss),
                Proof::Bound(bound) => prop_assert!(bound <= least, "{bound} > {least}"),
            }
        }
        (Err(shortfall), None) => prop_assert!(!shortfall.missing.within(&Amounts::default())),
        (got, expected) => prop_assert!(false, "{got:?}, by trying all {expected:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_solver_obeys_the_laws((menu, budget) in menus_and_budgets(5, 4)) {
        for name in solvers::names() {
            obeys(&mut *solvers::by_name(name).expect("listed"), &menu, &budget)?;
        }
    }

    #[test]
    fn greedy_never_beats_exact((menu, budget) in menus_and_budgets(12, 6)) {
        match (Greedy.solve(&menu, &budget), Exact.solve(&menu, &budget)) {
            (Ok(near), Ok(best)) => prop_assert!(near.loss >= best.loss - 1e-12),
            (near, best) => prop_assert_eq!(near.is_err(), best.is_err()),
        }
    }

    #[test]
    fn loss_never_rises_with_the_budget((menu, budget) in menus_and_budgets(6, 5), more in 1.0..1.5) {
        let larger = Amounts { seconds: budget.seconds * more, moved: budget.moved + more, ..budget };
        if let Ok(small) = Exact.solve(&menu, &budget) {
            let large = Exact.solve(&menu, &larger).expect("what fitted still fits");
            prop_assert!(large.loss <= small.loss + 1e-9);
        }
    }

    #[test]
    fn json_round_trip((menu, budget) in menus_and_budgets(4, 4)) {
        let text = serde_json::to_string(&menu).expect("json");
        prop_assert_eq!(&serde_json::from_str::<Menu>(&text).expect("a menu"), &menu);
        if let Ok(answer) = Greedy.solve(&menu, &budget) {
            let text = serde_json::to_string(&answer).expect("json");
            prop_assert_eq!(serde_json::from_str::<Answer>(&text).expect("an answer"), answer);
        }
    }
}

#[test]
fn broken_menus_have_nothing_that_fits() {
    let empty = Menu { base: Amounts::default(), sites: vec![Vec::new()] };
    let nan_base = Menu { base: Amounts::of_seconds(f64::NAN), sites: Vec::new() };
    let nothing = Menu::default();
    for name in solvers::names() {
        let mut solver = solvers::by_name(name).expect("listed");
        assert!(solver.solve(&empty, &Amounts::UNLIMITED).is_err());
        assert!(solver.solve(&nan_base, &Amounts::UNLIMITED).is_err());
        assert!(solver.solve(&nothing, &Amounts::of_seconds(f64::NAN)).is_err());
        assert_eq!(solver.solve(&nothing, &Amounts::default()).map(|answer| answer.loss), Ok(0.0));
    }
    assert!(empty.check().is_err() && nan_base.check().is_err() && nothing.check().is_ok());
}

#[test]
fn an_unknown_solver_is_told_the_known_ones() {
    let message = solvers::by_name("fast").err().expect("unknown").to_string();
    assert!(solvers::names().iter().all(|name| message.contains(name)), "{message}");
}

/// 100 sites of 8 offers under 3 limits, like the menus of a large model.
#[test]
fn greedy_is_near_its_bound_on_a_large_menu() {
    let menu = large_menu();
    let dense: Amounts = menu.sites.iter().fold(Amounts::default(), |sum, site| sum + site[0].price);
    for part in [0.35, 0.5, 0.8, 0.9] {
        let budget = Amounts {
            seconds: part * dense.seconds,
            resident: (part + 0.05) * dense.resident,
            moved: part * dense.moved,
            joules: f64::INFINITY,
        };
        let answer = Greedy.solve(&menu, &budget).expect("fits");
        let Proof::Bound(bound) = answer.proof else { panic!("the budget binds") };
        assert!(answer.price.within(&budget));
        assert!(answer.loss <= 1.01 * bound, "{part}: {} against a bound of {bound}", answer.loss);
    }
}

fn large_menu() -> Menu {
    use crate::generators::density;
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        0.5 + (state >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut site = |_| {
        let (seconds, resident, moved, loss) = (random(), random(), random(), 0.01 * random());
        let kept = (1..=8u16).rev().map(|k| f64::from(k) / 8.0);
        kept.map(|k| supple_strategy::Offer {
            choice: supple_graph::Choice { kind: supple_graph::Kind::ALL[0], density: density((k * 1000.0) as u16) },
            price: Amounts {
                seconds: seconds * k,
                resident: resident * k,
                moved: moved * (0.2 + 0.8 * k),
                joules: 0.0,
            },
            loss: loss * (1.0 - k).powi(2) * (0.9 + 0.2 * (random() - 0.5)),
        })
        .collect()
    };
    Menu { base: Amounts::default(), sites: (0..100).map(&mut site).collect() }
}
