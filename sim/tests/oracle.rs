//! Hindsight is never worse than any policy, and is what trying everything finds.
mod common;
use common::{rung, scenario};
use proptest::prelude::*;
use supple_sim::{Run, Scenario, SimulatedDevice, Stage, Trace, hindsight, simulate};
use supple_strategy::policies;
use supple_strategy::{Decision, Job, Ladder, Observation, Plant, Request, Stamp};

fn ladder() -> Ladder {
    let spread = |ms: f64| [0.83, 0.95, 1.01, 1.07, 1.33].map(|part| part * ms / 1e3).to_vec();
    Ladder::new(
        Stamp::default(),
        vec![rung(1000, spread(20.3), 0.95), rung(500, spread(9.1), 0.8), rung(250, spread(4.7), 0.6)],
    )
    .expect("a ladder")
}

fn right(run: &Run) -> u32 {
    run.records.iter().filter(|record| !record.missed()).map(|record| record.outcome.right).sum()
}

/// The run of a policy that plays these rungs.
fn played(scenario: &Scenario, trace: &Trace, rungs: &[usize]) -> Run {
    let mut next = rungs.iter().copied();
    let mut policy = |_: &Observation, _: &Ladder| Decision { rung: next.next().unwrap_or(0) };
    simulate(scenario, &ladder(), trace, &mut policy, "played").expect("a run")
}

fn world() -> impl Strategy<Value = (Scenario, Trace)> {
    let shares = prop::collection::vec((1u64..200, prop_oneof![1 => Just(0.0), 8 => 0.07..1.0f64]), 1..6);
    let ends = prop_oneof!["hold", "loop", "stop"];
    (any::<u64>(), shares, ends, prop_oneof!["quota", "fluid"], 0.2..1.5f64).prop_map(
        |(seed, shares, end, mechanism, load)| {
            let mut at = 0.0;
            let steps: Vec<String> = shares
                .iter()
                .map(|(ms, share)| {
                    let step = format!("[{at:?}, {share:?}]");
                    at += *ms as f64 / 1e3;
                    step
                })
                .collect();
            let tables = format!(
                "[trace]\nsteps = [{}]\nlength_s = {at:?}\nend = \"{end}\"\n[load]\nutilisation = {load:?}\n\
             [request]\nbatch = 3\ndeadline_ms = 41.7\n[device]\nmechanism = \"{mechanism}\"\nperiod_ms = 10.0\n",
                steps.join(", ")
            );
            let scenario = scenario(seed >> 1, 0.6, &tables);
            let trace = scenario.trace().expect("a trace");
            (scenario, trace)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_policy_is_better((scenario, trace) in world(), rungs in prop::collection::vec(0usize..3, 40)) {
        let oracle = hindsight(&scenario, &ladder(), &trace).expect("an oracle");
        prop_assert!(right(&played(&scenario, &trace, &rungs)) <= right(&oracle));
        for name in policies::names() {
            let mut policy = policies::by_name(name, &scenario.policy, &scenario.demand(&ladder())).expect("a policy");
            let run = simulate(&scenario, &ladder(), &trace, policy.as_mut(), name).expect("a run");
            prop_assert!(right(&run) <= right(&oracle), "{name}");
            prop_assert!(run.on_time_accuracy <= oracle.on_time_accuracy + 1e-12);
        }
    }

    #[test]
    fn trying_everything_finds_the_same((scenario, trace) in world()) {
        let short = scenario.lasting(0.12).expect("a scenario");
        let ladder = ladder();
        let stage = Stage::new(&short, &ladder, &trace).expect("a stage");
        let requests = stage.requests();
        prop_assume!(requests.len() <= 5);
        let all = (0..4usize.pow(requests.len() as u32)).map(|code| forced(stage.device(), &requests, code));
        prop_assert_eq!(all.max().unwrap_or(0), right(&hindsight(&short, &ladder, &trace).expect("an oracle")));
    }
}

/// Right answers in time when the base-4 digits of `code` say what becomes of each request: a rung, or 3 to drop it.
fn forced(mut device: SimulatedDevice<'_>, requests: &[Request], code: usize) -> u32 {
    let mut right = 0;
    for (i, request) in requests.iter().enumerate() {
        device.wait(request.arrival).expect("a simulated device waits");
        let choice = code / 4usize.pow(i as u32) % 4;
        if device.stopped() || device.now() >= request.due || choice == 3 {
            continue;
        }
        device.set_rung(choice);
        let outcome = device.run(Job::Request(i)).expect("a simulated device runs");
        if device.now() <= request.due {
            right += outcome.right;
        }
    }
    right
}

#[test]
fn the_floor_is_kept() {
    let scenario =
        scenario(3, 2.0, "[load]\nutilisation = 0.9\n[request]\ndeadline_ms = 30.0\n[demand]\naccuracy_floor = 0.7\n");
    let trace = Trace::constant(0.5).expect("a trace");
    let oracle = hindsight(&scenario, &ladder(), &trace).expect("an oracle");
    assert!(oracle.records.iter().filter(|record| record.finished.is_some()).all(|record| record.rung < 2));
    assert_eq!(oracle.policy, "oracle");
}
