use crate::generators::{ladders, observations};
use proptest::prelude::*;
use supple_strategy::policies::{self, Hold, Kalman, PolicyOptions};
use supple_strategy::{Changing, Completion, Decision, Demand, Forecast, Ladder, Nanos, Observation, Policy};

fn decisions(policy: &mut dyn Policy, seen: &[Observation], ladder: &Ladder) -> Vec<usize> {
    seen.iter().map(|s| policy.decide(s, ladder).rung).collect()
}

fn kalman(dwell: usize, floor: Option<f64>) -> Kalman {
    let options = PolicyOptions { dwell, ..PolicyOptions::default() };
    Kalman::new(&options, &Demand { accuracy_floor: floor, ..Demand::default() }).expect("possible options")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_policy_stays_on_the_ladder_and_repeats(ladder in ladders(), seen in observations(), floor in proptest::option::of(0.5..1.1)) {
        let demand = Demand { accuracy_floor: floor, ..Demand::default() };
        for name in policies::names() {
            let fresh = || policies::by_name(name, &PolicyOptions::default(), &demand).expect("listed");
            let picked = decisions(&mut *fresh(), &seen, &ladder);
            prop_assert!(picked.iter().all(|&rung| rung <= ladder.last()));
            prop_assert_eq!(picked, decisions(&mut *fresh(), &seen, &ladder));
        }
    }

    #[test]
    fn hold_never_switches(ladder in ladders(), seen in observations(), rung in 0usize..9) {
        let picked = decisions(&mut Hold { rung }, &seen, &ladder);
        prop_assert!(picked.iter().all(|&r| r == rung.min(ladder.last())));
        prop_assert!(decisions(&mut Hold::default(), &seen, &ladder).iter().all(|&r| r == 0));
    }

    #[test]
    fn climbs_wait_for_the_dwell(ladder in ladders(), seen in observations(), dwell in 0usize..12) {
        let picked = decisions(&mut kalman(dwell, None), &seen, &ladder);
        let mut last_switch = None;
        for i in 1..picked.len() {
            if picked[i] < picked[i - 1] {
                prop_assert!(last_switch.is_none_or(|at| i - at >= dwell), "{picked:?}");
            }
            if picked[i] != picked[i - 1] {
                last_switch = Some(i);
            }
        }
    }

    #[test]
    fn no_demand_is_broken_that_another_rung_would_keep(
        ladder in ladders(), seen in observations(), dwell in 0usize..12, floor in proptest::option::of(0.5..1.0)
    ) {
        let mut policy = kalman(dwell, floor);
        let reached = ladder.rungs().iter().any(|rung| floor.is_none_or(|f| rung.quality >= f));
        for s in &seen {
            let picked = policy.decide(s, &ladder).rung;
            let kept = (0..=ladder.last()).any(|rung| policy.keeps(s, &ladder, rung));
            prop_assert!(policy.keeps(s, &ladder, picked) || !kept);
            prop_assert!(!reached || floor.is_none_or(|f| ladder.rungs()[picked].quality >= f));
        }
    }

    #[test]
    fn pessimism_heals(ladder in ladders(), slow in 2.0..100.0) {
        let mut policy = kalman(4, None);
        let picked = |factor: f64, policy: &mut Kalman| {
            let mut rung = 0;
            for _ in 0..120 {
                let took = Nanos::from_seconds(factor * ladder.rungs()[rung].cost.seconds);
                let generous = Nanos::from_seconds(5.0 * ladder.rungs()[0].service.quantile(1.0));
                let finished = Some(Completion { rung, took });
                let seen = Observation { now: Nanos::ZERO, remaining: generous, queued: 0, remaining_of_last: generous, finished };
                rung = policy.decide(&seen, &ladder).rung;
            }
            rung
        };
        let fresh = picked(1.0, &mut kalman(4, None));
        picked(slow, &mut policy);
        prop_assert_eq!(picked(1.0, &mut policy), fresh);
    }
}

#[test]
fn names_and_options_are_checked() {
    let demand = Demand::default();
    let message = policies::by_name("best", &PolicyOptions::default(), &demand).err().expect("unknown").to_string();
    assert_eq!(message, "policy = \"best\": expected one of hold, kalman, slack");
    for confidence in [0.4, 1.0, f64::NAN] {
        let options = PolicyOptions { confidence, ..PolicyOptions::default() };
        assert!(policies::by_name("kalman", &options, &demand).is_err());
    }
    assert!(serde_json::from_str::<PolicyOptions>("{\"dwel\": 3}").is_err());
    let options: PolicyOptions = serde_json::from_str("{\"dwell\": 3}").expect("options");
    assert_eq!(options, PolicyOptions { confidence: 0.95, dwell: 3 });
}

/// Notes every new demand, with the time of the decision before it.
#[derive(Default)]
struct Told(Vec<(Nanos, Option<f64>)>, Nanos);

impl Policy for Told {
    fn decide(&mut self, seen: &Observation, _: &Ladder) -> Decision {
        self.1 = seen.now;
        Decision { rung: 0 }
    }

    fn wants(&mut self, demand: &Demand) {
        self.0.push((self.1, demand.accuracy_floor));
    }
}

proptest! {
    #[test]
    fn every_demand_is_told_once_and_before_the_first_decision_at_its_time_or_later(
        ladder in ladders(), steps in proptest::collection::vec(0u64..5, 1..20), at in proptest::collection::vec(0u64..30, 0..6)
    ) {
        let mut at = at;
        at.sort_unstable();
        let demand = |i: usize| Demand { accuracy_floor: Some(i as f64), ..Demand::default() };
        let changes = at.iter().enumerate().map(|(i, &when)| (Nanos(when), demand(i))).collect();
        let mut told = Told::default();
        let mut changing = Changing::new(&mut told, changes);
        let times: Vec<u64> = steps.iter().scan(0, |now, step| { *now += step; Some(*now) }).collect();
        for &now in &times {
            let now = Nanos(now);
            let seen = Observation { now, remaining: now, queued: 0, remaining_of_last: now, finished: None };
            changing.decide(&seen, &ladder);
        }
        let before = |when: u64| times.iter().rev().find(|&&now| now < when).copied().unwrap_or(0);
        let due = at.iter().enumerate().filter(|&(_, &when)| times.last() >= Some(&when));
        let expected: Vec<_> = due.map(|(i, &when)| (Nanos(before(when)), Some(i as f64))).collect();
        prop_assert_eq!(told.0, expected);
    }
}
