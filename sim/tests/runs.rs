//! Whole runs: determinism, conservation, and queueing theory.
mod common;
use common::{fixed, ladder, rung, scenario, trace};
use proptest::prelude::*;
use supple_sim::{Report, Run, SimulatedDevice, StopReason, Trace, simulate, simulate_training};
use supple_strategy::policies::Hold;
use supple_strategy::{Decision, Job, Ladder, Nanos, Observation, Outcome, Plant, Policy, Spread, Stamp, drive::serve};

/// A policy without sense that visits all rungs.
fn restless() -> impl Policy {
    let mut calls = 0;
    move |_: &Observation, _: &Ladder| {
        calls += 1;
        Decision { rung: calls % 3 }
    }
}

fn run(tables: &str, seed: u64, policy: &mut dyn Policy) -> Run {
    let scenario = scenario(seed, 3.0, tables);
    let trace = scenario.trace().expect("a trace");
    simulate(&scenario, &ladder(), &trace, policy, "policy").expect("a run")
}

const MOVING: &str = "[trace]\nsteps = [[0.0, 1.0], [1.0, 0.2], [2.0, 0.0], [2.3, 0.7]]\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_scenario_and_seed_give_the_same_bytes(seed in 0..1000u64) {
        let bytes = || {
            let scenario = scenario(seed, 3.0, MOVING);
            let trace = scenario.trace().expect("a trace");
            let run = |policy: &mut dyn Policy| simulate(&scenario, &ladder(), &trace, policy, "p").expect("a run");
            let report = Report::new(&scenario, vec![run(&mut Hold::default()), run(&mut restless())]);
            (report.json().expect("json"), report.html(&trace).expect("html"), report.table())
        };
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn no_request_is_lost_or_counted_twice(seed in 0..1000u64, utilisation in 0.0..3.0) {
        let run = run(&format!("{MOVING}[load]\nutilisation = {utilisation:?}\n"), seed, &mut restless());
        prop_assert_eq!(run.records.len(), run.requests);
        prop_assert_eq!(run.missed, run.records.iter().filter(|r| r.missed()).count());
        prop_assert!(run.records.windows(2).all(|pair| pair[0].started <= pair[1].started));
        prop_assert!(run.records.windows(2).all(|pair| pair[0].finished.is_none_or(|end| end <= pair[1].started)));
        prop_assert!(run.records.iter().all(|r| r.arrival <= r.started && r.finished.is_none_or(|end| end >= r.started)));
    }

    #[test]
    fn work_served_equals_work_offered(seed in 0..1000u64) {
        let (scenario, ladder) = (scenario(seed, 3.0, MOVING), ladder());
        let trace = scenario.trace().expect("a trace");
        let mut device = SimulatedDevice::new(&ladder, &trace, scenario.mechanism(), seed);
        let requests = scenario.requests(&ladder).expect("requests");
        let records = serve(&mut device, &requests, &ladder, &mut restless()).expect("records");
        let done = records.iter().enumerate().filter(|(_, record)| record.finished.is_some());
        let offered: u64 = done.map(|(i, record)| device.demand(Job::Request(i), record.rung).0).sum();
        prop_assert!(device.served().0.abs_diff(offered) <= 1);
    }

    #[test]
    fn a_full_share_gives_the_closed_form_of_a_queue(seed in 0..1000u64, utilisation in 0.1..1.5) {
        let tables = format!("[load]\nutilisation = {utilisation:?}\n[request]\ndeadline_ms = 1e9\n");
        let (scenario, ladder) = (scenario(seed, 3.0, &tables), ladder());
        let trace = scenario.trace().expect("a trace");
        let run = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run");
        let device = SimulatedDevice::new(&ladder, &trace, scenario.mechanism(), seed);
        let mut end = Nanos::ZERO;
        for (i, record) in run.records.iter().enumerate() {
            end = end.max(record.arrival) + device.demand(Job::Request(i), 0);
            prop_assert_eq!(record.finished, Some(end));
        }
    }
}

/// An exponential service time of this mean, as many quantiles.
fn exponential(mean: f64) -> Spread {
    let n = 20_000;
    let quantiles: Vec<f64> = (0..n).map(|i| -mean * (1.0 - (f64::from(i) + 0.5) / f64::from(n)).ln()).collect();
    serde_json::from_value(serde_json::json!(quantiles)).expect("a spread")
}

#[test]
fn the_mean_response_of_mm1_is_that_of_theory() {
    let mean = 0.01;
    let mut exact = rung(1000, vec![mean], 0.9);
    exact.service = exponential(mean);
    let ladder = Ladder::new(Stamp::default(), vec![exact]).expect("a ladder");
    for (utilisation, tolerance) in [(0.3, 0.03), (0.5, 0.03), (0.7, 0.05)] {
        let tables = format!("[load]\nutilisation = {utilisation:?}\n[request]\ndeadline_ms = 1e9\n");
        let scenario = scenario(5, 3000.0, &tables);
        let trace = Trace::constant(1.0).expect("a trace");
        let run = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run");
        let response = run.records.iter().filter_map(|r| r.finished.map(|end| (end - r.arrival).seconds()));
        let found = response.sum::<f64>() / run.requests as f64;
        let theory = mean / (1.0 - utilisation);
        assert!((found / theory - 1.0).abs() < tolerance, "{found} for {theory} at {utilisation}");
    }
}

#[test]
fn at_a_constant_share_a_fluid_device_is_a_slower_one() {
    let tables = "[load]\narrivals = \"periodic\"\nrate_hz = 10.0\n[device]\nmechanism = \"fluid\"\n[request]\ndeadline_ms = 45.0\n";
    let (scenario, ladder) = (scenario(1, 2.0, tables), fixed(0.02));
    let p50 = |share| {
        let trace = Trace::constant(share).expect("a trace");
        let run = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run");
        (run.p50_ms, run.p99_ms, run.missed, run.requests)
    };
    assert_eq!(p50(1.0), (20.0, 20.0, 0, 20));
    assert_eq!(p50(0.5), (40.0, 40.0, 0, 20));
    assert_eq!(p50(0.4), (50.0, 50.0, 20, 20));
}

#[test]
fn jobs_draw_the_same_whatever_ran_before() {
    let (ladder, trace) = (ladder(), Trace::constant(1.0).expect("a trace"));
    let device = || SimulatedDevice::new(&ladder, &trace, supple_sim::Mechanism::Fluid, 3).with_batch(64);
    let answers = |jobs: &[usize]| -> Vec<Outcome> {
        let mut device = device();
        jobs.iter().map(|&job| device.run(Job::Request(job)).expect("an outcome")).collect()
    };
    assert_eq!(answers(&[0, 1, 2, 3])[3], answers(&[3])[0]);
    assert_ne!(device().demand(Job::Request(0), 0), device().demand(Job::Step(0), 0));
}

#[test]
fn answers_are_right_as_often_as_the_ladder_says() {
    let tables = "[load]\nutilisation = 0.5\n[request]\nbatch = 50\ndeadline_services = 50.0\n";
    let scenario = scenario(2, 40.0, tables);
    let trace = Trace::constant(1.0).expect("a trace");
    for (index, rung) in ladder().rungs().iter().enumerate() {
        let mut policy = move |_: &Observation, _: &Ladder| Decision { rung: index };
        let run = simulate(&scenario, &ladder(), &trace, &mut policy, "fixed").expect("a run");
        assert!((run.accuracy - rung.quality).abs() < 0.005, "{} for {}", run.accuracy, rung.quality);
        assert_eq!(run.mean_density, rung.setting.mean_density());
        assert_eq!((run.missed, run.switches), (0, usize::from(index > 0)));
    }
}

#[test]
fn a_device_without_a_share_stops_instead_of_hanging() {
    let tables = "[load]\narrivals = \"periodic\"\nrate_hz = 10.0\n[device]\nperiod_ms = 10.0\n";
    let (scenario, ladder) = (scenario(1, 2.0, tables), fixed(0.02));
    let trace = trace(&[(0, 1.0), (1010, 0.0)]);
    let run = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run");
    assert_eq!((run.requests, run.missed, run.records.len()), (20, 10, 11));
    let mut device = SimulatedDevice::new(&ladder, &trace, scenario.mechanism(), 1);
    device.wait(Nanos(1_020_000_000)).expect("time passes");
    assert_eq!(device.run(Job::Request(0)).expect("no answers"), Outcome::default());
    assert_eq!(device.stop_reason(), Some(StopReason::Starved));
}

#[test]
fn a_trace_that_stops_ends_the_run() {
    let tables = "[trace]\nsteps = [[0.0, 1.0]]\nlength_s = 1.0\nend = \"stop\"\n[load]\narrivals = \"periodic\"\nrate_hz = 10.0\n";
    let (scenario, ladder) = (scenario(1, 2.0, tables), fixed(0.02));
    let trace = scenario.trace().expect("a trace");
    let run = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run");
    assert_eq!((run.requests, run.missed), (10, 0));
}

#[test]
fn training_makes_the_steps_that_fit() {
    let tables = "[training]\nsteps = 100\nbatch = 64\ndeadline_services = 80.0\n";
    let (scenario, ladder) = (scenario(1, 2.0, tables), fixed(0.02));
    let trained = |share| {
        let trace = Trace::constant(share).expect("a trace");
        simulate_training(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect("a run")
    };
    let full = trained(1.0);
    assert_eq!((full.steps, full.done, full.in_time(), full.deadline_s, full.took_s), (100, 80, false, 1.6, 1.6));
    assert_eq!(trained(0.5).done, 40);
    assert_eq!(trained(0.0).done, 0);
}

#[test]
fn another_batch_than_the_ladder_was_measured_with_is_refused() {
    let stamp = Stamp { batch: 16, ..Stamp::default() };
    let ladder = Ladder::new(stamp, ladder().rungs().to_vec()).expect("a ladder");
    let trace = Trace::constant(1.0).expect("a trace");
    let scenario = scenario(1, 1.0, "[request]\nbatch = 8\ndeadline_ms = 9.0\n");
    let error = simulate(&scenario, &ladder, &trace, &mut Hold::default(), "hold").expect_err("refused").to_string();
    assert_eq!(error, "test.toml: request.batch = 8: expected 16, the batch that the ladder was measured with");
}
