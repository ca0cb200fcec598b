//! The members of the lists keep the laws, and the laws notice who does not.
use proptest::prelude::*;
use supple_strategy::policies::{Hold, Kalman, PolicyOptions};
use supple_strategy::solvers::{Exact, Greedy};
use supple_strategy::{
    Amounts, Answer, Decision, Demand, Forecast, Ladder, Menu, Observation, Policy, Proof, Shortfall, Solver,
};
use supple_testkit::{PolicyLaws, check_forecast, check_policy, check_solver, ladders, menus, observations, traces};

fn kalman(dwell: usize, floor: Option<f64>) -> impl Fn() -> Kalman {
    let demand = Demand { accuracy_floor: floor, ..Demand::default() };
    let options = PolicyOptions { dwell, ..PolicyOptions::default() };
    move || Kalman::new(&options, &demand).expect("possible options")
}

#[test]
fn members_keep_the_laws_of_policies() {
    assert_eq!(check_policy(Hold::default, PolicyLaws { holds: true, ..PolicyLaws::default() }), Ok(()));
    for dwell in [0, 3, 8] {
        assert_eq!(check_policy(kalman(dwell, None), PolicyLaws { dwell, ..PolicyLaws::default() }), Ok(()));
        assert_eq!(check_forecast(kalman(dwell, None)), Ok(()));
    }
    assert_eq!(check_forecast(kalman(8, Some(0.9))), Ok(()));
}

#[test]
fn members_keep_the_laws_of_solvers() {
    assert_eq!(check_solver(|| Exact), Ok(()));
    assert_eq!(check_solver(|| Greedy), Ok(()));
}

#[test]
fn broken_policies_are_noticed() {
    let beyond = || |_: &Observation, ladder: &Ladder| Decision { rung: ladder.last() + 1 };
    let text = check_policy(beyond, PolicyLaws::default()).expect_err("beyond the ladder");
    assert!(text.contains("not on the ladder"), "{text}");

    let hasty = check_policy(kalman(0, None), PolicyLaws { dwell: 8, ..PolicyLaws::default() });
    assert!(hasty.is_err_and(|text| text.contains("climbed")));
    let moving = check_policy(kalman(0, None), PolicyLaws { holds: true, ..PolicyLaws::default() });
    assert!(moving.is_err_and(|text| text.contains("hold")));
}

/// Knows better, and stays dense.
struct Stubborn(Kalman);

impl Policy for Stubborn {
    fn decide(&mut self, seen: &Observation, ladder: &Ladder) -> Decision {
        self.0.decide(seen, ladder);
        Decision { rung: 0 }
    }
}

impl Forecast for Stubborn {
    fn keeps(&self, seen: &Observation, ladder: &Ladder, rung: usize) -> bool {
        self.0.keeps(seen, ladder, rung)
    }
}

#[test]
fn a_broken_demand_is_noticed() {
    let text = check_forecast(|| Stubborn(kalman(0, None)())).expect_err("stays dense");
    assert!(text.contains("predicted to keep the demand"), "{text}");
}

#[test]
fn broken_solvers_are_noticed() {
    let spender = || |menu: &Menu, _: &Amounts| Exact.solve(menu, &Amounts::UNLIMITED);
    assert!(check_solver(spender).is_err());
    let lazy = || {
        |menu: &Menu, _: &Amounts| -> Result<Answer, Shortfall> {
            Err(Shortfall { missing: menu.base + Amounts::of_seconds(1.0) })
        }
    };
    assert!(check_solver(lazy).is_err_and(|text| text.contains("a shortfall, yet")));
    let boaster = || {
        |menu: &Menu, budget: &Amounts| -> Result<Answer, Shortfall> {
            let answer = Greedy.solve(menu, budget)?;
            Ok(Answer { proof: Proof::Bound(answer.loss + 1.0), ..answer })
        }
    };
    assert!(check_solver(boaster).is_err_and(|text| text.contains("at least")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_values_are_well_formed(
        menu in menus(), trace in traces(), (ladder, seen) in ladders().prop_flat_map(|l| { let o = observations(&l); (Just(l), o) })
    ) {
        prop_assert!(menu.check().is_ok());
        prop_assert!(ladder.check().is_ok());
        prop_assert!(!trace.points().is_empty());
        prop_assert!(seen.windows(2).all(|pair| pair[0].now <= pair[1].now));
        prop_assert!(seen.iter().all(|s| s.remaining <= s.remaining_of_last));
    }
}
