//! Hindsight over training runs is never worse than a policy, nor further from trying everything than it says; over fleets it is between the policies and the
//! exact oracle.
mod common;
use common::{ladder, rung, scenario};
use proptest::prelude::*;
use supple_sim::report::FleetRun;
use supple_sim::{
    FleetScenario, FleetStage, Report, Run, Scenario, Trace, TrainingRun, best_found, hindsight, hindsight_training,
    simulate_training,
};
use supple_strategy::{Decision, Ladder, Observation, Stamp, policies};

/// The better rungs are not always worth their time.
fn uneven() -> Ladder {
    let spread = |ms: f64| [0.7, 0.95, 1.01, 1.07, 1.6].map(|part| part * ms / 1e3).to_vec();
    let rungs = [(1000, 20.3, 0.95), (700, 13.9, 0.94), (500, 9.1, 0.61), (250, 4.7, 0.6)];
    let rungs = rungs.map(|(density, ms, quality)| rung(density, spread(ms), quality));
    Ladder::new(Stamp::default(), rungs.to_vec()).expect("a ladder")
}

fn steps() -> impl Strategy<Value = String> {
    let shares = prop::collection::vec((1u64..90, prop_oneof![1 => Just(0.0), 8 => 0.07..1.0f64]), 1..6);
    (shares, prop_oneof!["hold", "loop"]).prop_map(|(shares, end)| {
        let mut at = 0.0;
        let mut step = |(ms, share): &(u64, f64)| {
            let step = format!("[{at:?}, {share:?}]");
            at += *ms as f64 / 1e3;
            step
        };
        let steps: Vec<String> = shares.iter().map(&mut step).collect();
        format!("steps = [{}]\nlength_s = {at:?}\nend = \"{end}\"\n", steps.join(", "))
    })
}

fn training(most: usize) -> impl Strategy<Value = (Scenario, Trace)> {
    (any::<u32>(), steps(), prop_oneof!["quota", "fluid"], 1..=most, 0.1..1.3f64).prop_map(
        |(seed, trace, mechanism, steps, tight)| {
            let due = tight * steps as f64 * 0.02;
            let tables = format!(
                "[trace]\n{trace}[training]\nsteps = {steps}\nbatch = 8\ndeadline_s = {due:?}\n\
                 [device]\nmechanism = \"{mechanism}\"\nperiod_ms = 10.0\n"
            );
            let scenario = scenario(seed.into(), 1.0, &tables);
            let trace = scenario.trace().expect("a trace");
            (scenario, trace)
        },
    )
}

/// The run of a policy that plays these rungs, and the dense one after them.
fn played(scenario: &Scenario, trace: &Trace, rungs: &[usize]) -> TrainingRun {
    let mut next = rungs.iter().copied();
    let mut policy = |_: &Observation, _: &Ladder| Decision { rung: next.next().unwrap_or(0) };
    simulate_training(scenario, &uneven(), trace, &mut policy, "played").expect("a run")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_training_policy_is_better_than_the_bound((scenario, trace) in training(60), rungs in prop::collection::vec(0usize..4, 60)) {
        let best = hindsight_training(&scenario, &uneven(), &trace).expect("an oracle");
        let bound = best.worth + best.regret.expect("a bound");
        prop_assert!(played(&scenario, &trace, &rungs).worth <= bound + 1e-9);
        for name in policies::names() {
            let mut policy = policies::by_name(name, &scenario.policy, &scenario.demand(&uneven())).expect("a policy");
            let run = simulate_training(&scenario, &uneven(), &trace, policy.as_mut(), name).expect("a run");
            prop_assert!(run.worth <= bound + 1e-9, "{name}: {} of {} and {:?}", run.worth, best.worth, best.regret);
        }
    }

    #[test]
    fn trying_everything_is_within_what_training_hindsight_says((scenario, trace) in training(4)) {
        let best = hindsight_training(&scenario, &uneven(), &trace).expect("an oracle");
        let steps = scenario.training.as_ref().map_or(0, |training| training.steps);
        let all = (0..4usize.pow(steps as u32)).map(|code| {
            let rungs: Vec<usize> = (0..steps as u32).map(|step| code / 4usize.pow(step) % 4).collect();
            played(&scenario, &trace, &rungs).worth
        });
        let most = all.fold(0.0, f64::max);
        prop_assert!(best.worth <= most + 1e-9, "{} of {most}", best.worth);
        prop_assert!(best.worth + best.regret.expect("a bound") >= most - 1e-9, "{best:?} of {most}");
    }
}

#[test]
fn long_training_is_known_to_a_step() {
    let tables = "[trace]\nsteps = [[0.0, 1.0], [0.3, 0.2], [0.5, 0.7]]\nlength_s = 0.9\nend = \"loop\"\n\
                  [training]\nsteps = 500\nbatch = 8\ndeadline_s = 9.0\n";
    let (scenario, ladder) = (scenario(5, 1.0, tables), ladder());
    let trace = scenario.trace().expect("a trace");
    let best = hindsight_training(&scenario, &ladder, &trace).expect("an oracle");
    assert!(best.in_time() && best.policy == Run::ORACLE);
    assert!(best.regret.expect("a bound") < 1.0 / 500.0, "{:?}", best.regret);
    let floor = format!("{tables}[demand]\naccuracy_floor = 0.975\n");
    let floored = hindsight_training(&common::scenario(5, 1.0, &floor), &ladder, &trace).expect("an oracle");
    assert!(floored.records.iter().all(|record| record.rung == 0) && floored.worth < best.worth);
    let others = vec![best, played(&scenario, &trace, &[])];
    let report = Report::new(&scenario, Vec::new()).with_training(others);
    assert!(report.training[1].regret.expect("a regret") > 0.0 && report.table().contains("regret points"));
}

fn fleet(seed: u64, tables: &str) -> FleetScenario {
    FleetScenario::parse(&format!("name = \"f\"\nseed = {seed}\nduration_s = 1.0\n{tables}"), "f.toml").expect(tables)
}

fn searched(scenario: &FleetScenario, ladder: &Ladder) -> (FleetRun, Vec<FleetRun>) {
    let stage = FleetStage::new(scenario, ladder).expect("a stage");
    let runs = policies::names().iter().map(|name| stage.run(name).expect("a run")).collect();
    (best_found(&stage).expect("a run"), runs)
}

const TWO: &str = "[[machine]]\nname = \"a\"\nsharing = \"max_min\"\ntrace = { steps = [[0.0, 1.0], [0.3, 0.4], [0.8, 1.0]] }\n\
                   [[machine]]\nname = \"b\"\npresence = { steps = [[0.0, 1.0], [0.4, 0.0], [0.5, 1.0]] }\n\
                   [[model]]\nname = \"m\"\nload = { rate_hz = 60.0 }\nrequest = { deadline_ms = 50.0 }\n\
                   [[model]]\nname = \"t\"\nmachines = [\"b\"]\ntraining = { steps = 40, batch = 1, deadline_s = 0.9 }\n\
                   checkpoints = { every = 5, cost_ms = 1.0, restart_ms = 2.0 }\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn what_is_found_for_a_fleet_is_no_worse_than_any_policy(seed in 0..1000u64) {
        let scenario = fleet(seed, TWO);
        let (best, runs) = searched(&scenario, &ladder());
        prop_assert!(runs.iter().all(|run| run.worth() <= best.worth() + 1e-12));
        prop_assert_eq!(&best, &searched(&scenario, &ladder()).0);
        let report = Report::of_fleet(&scenario, runs.into_iter().chain([best]).collect());
        let regrets = report.runs.iter().zip(&report.training).map(|(served, trained)| served.regret.zip(trained.regret));
        prop_assert!(regrets.map(|both| both.expect("regrets")).all(|(served, trained)| served + trained >= -1e-12));
    }

    #[test]
    fn what_is_found_for_a_fleet_of_one_is_no_better_than_the_oracle(seed in 0..1000u64, load in 0.3..1.5f64) {
        let common = format!("load = {{ utilisation = {load:?} }}\nrequest = {{ deadline_ms = 50.0 }}\n");
        let moving = "steps = [[0.0, 1.0], [0.3, 0.3], [0.8, 1.0]]";
        let plain = scenario(seed, 1.0, &format!("{common}[device]\nmechanism = \"fluid\"\n[trace]\n{moving}\n"));
        let machine = format!("[[machine]]\nname = \"a\"\ntrace = {{ {moving} }}\ndevice = {{ mechanism = \"fluid\" }}\n");
        let (best, _) = searched(&fleet(seed, &format!("{machine}[[model]]\nname = \"m\"\n{common}")), &ladder());
        let exact = hindsight(&plain, &ladder(), &plain.trace().expect("a trace")).expect("an oracle");
        prop_assert!(best.runs[0].on_time_accuracy <= exact.on_time_accuracy + 1e-12);
    }
}

#[test]
fn a_share_that_becomes_tiny_after_the_deadline_takes_no_time() {
    let tables = "[trace]\nsteps = [[0.0, 1.0], [1.0, 1e-9]]\n[training]\nsteps = 500\nbatch = 8\ndeadline_s = 1.0\n";
    let scenario = scenario(5, 1.0, tables);
    let best = hindsight_training(&scenario, &ladder(), &scenario.trace().expect("a trace")).expect("an oracle");
    assert!(best.done > 200 && best.regret.expect("a bound") < 5.0 / 500.0, "{} {:?}", best.done, best.regret);
}
