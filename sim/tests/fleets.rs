//! Fleets in TOML: in the form of a fleet a plain scenario gives the same records, and nothing is lost between routers, outages and restarts.
mod common;
use common::{ladder, scenario};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use supple_sim::report::FleetRun;
use supple_sim::{AnyScenario, Error, FleetScenario, FleetStage, Report, StopReason, library, simulate};
use supple_strategy::{Decision, Ladder, Nanos, Observation, Policy, Record};

const MOVING: &str = "steps = [[0.0, 1.0], [1.0, 0.25], [2.0, 0.0], [2.25, 0.5]]";

fn fleet(seed: u64, duration_s: f64, tables: &str) -> FleetScenario {
    let text = format!("name = \"test\"\nseed = {seed}\nduration_s = {duration_s:?}\n{tables}");
    FleetScenario::parse(&text, "test.toml").expect(&text)
}

/// A policy without sense that visits all rungs.
fn restless() -> Box<dyn Policy> {
    let mut calls = 0;
    Box::new(move |_: &Observation, _: &Ladder| {
        calls += 1;
        Decision { rung: calls % 3 }
    })
}

fn run(scenario: &FleetScenario) -> FleetRun {
    let stage = FleetStage::new(scenario, &ladder()).expect("a stage");
    stage.run_with("restless", |_| Ok(restless())).expect("a run")
}

fn held(scenario: &FleetScenario) -> FleetRun {
    FleetStage::new(scenario, &ladder()).and_then(|stage| stage.run("hold")).expect("a run")
}

/// Equal but for rounding of the ends, by two nanoseconds a request.
fn alike(a: &[Record], b: &[Record]) -> bool {
    let allowed = 2 + 2 * a.len() as u64;
    let near = |a: &Record, b: &Record| {
        let ends = a.finished.zip(b.finished).map(|(a, b)| a.0.abs_diff(b.0));
        let ended = ends.map_or(a.finished == b.finished, |apart| apart <= allowed);
        ended && (a.arrival, a.due, a.rung, a.outcome) == (b.arrival, b.due, b.rung, b.outcome)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_fleet_of_one_is_the_plain_scenario(
        seed in 0..1000u64, utilisation in 0.1..1.2, mechanism in prop::sample::select(vec!["quota", "fluid"]), restless_one: bool,
    ) {
        let load = format!("load = {{ utilisation = {utilisation:?} }}\nrequest = {{ batch = 4, deadline_services = 5.0 }}\n");
        let demand = "demand = { accuracy_floor = 0.9, changes = [{ at_s = 1.5, deadline_services = 3.0, accuracy_floor = 0.95 }] }\n";
        let device = format!("device = {{ mechanism = \"{mechanism}\" }}\n");
        let plain = format!("{load}{demand}{device}[trace]\n{MOVING}\n");
        let plain = scenario(seed, 3.0, &plain);
        let one = format!("[[machine]]\nname = \"a\"\ntrace = {{ {MOVING} }}\n{device}[[model]]\nname = \"m\"\n{load}{demand}");
        let one = fleet(seed, 3.0, &one);
        let name = if restless_one { "restless" } else { "kalman" };
        let make = |demand: &_| match restless_one {
            true => restless(),
            false => supple_strategy::policies::by_name(name, &plain.policy, demand).expect("a policy"),
        };
        let trace = plain.trace().expect("a trace");
        let there = simulate(&plain, &ladder(), &trace, make(&plain.demand(&ladder())).as_mut(), name).expect("a run");
        let stage = FleetStage::new(&one, &ladder()).expect("a stage");
        let here = stage.run_with(name, |driven| Ok(make(driven.demand))).expect("a run");
        prop_assert_eq!(here.runs.len(), 1);
        prop_assert!(alike(&here.runs[0].records, &there.records), "{:?}\n{:?}", here.runs[0].records, there.records);
        prop_assert_eq!((here.runs[0].requests, here.runs[0].stopped), (there.requests, there.stopped));
    }

    #[test]
    fn no_request_is_lost_or_counted_twice(seed in 0..1000u64, tables in tables()) {
        let scenario = fleet(seed, 2.0, &tables);
        let FleetRun { runs, training, machines } = run(&scenario);
        let mut answered = 0;
        for run in &runs {
            prop_assert_eq!(run.stopped, Some(StopReason::Finished));
            prop_assert_eq!(run.records.len(), run.requests);
            prop_assert!(run.records.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
            prop_assert!(run.records.iter().all(|r| r.arrival <= r.started && r.finished.is_none_or(|end| end >= r.started)));
            answered += run.records.iter().filter(|record| record.finished.is_some()).count();
        }
        let made: usize = training.iter().map(|run| run.records.len()).sum();
        let saves = machines.iter().map(|machine| machine.done).sum::<usize>() - answered - made;
        let losses: usize = machines.iter().map(|machine| machine.lost + machine.outages.len()).sum();
        prop_assert!(saves <= made + losses, "{saves} checkpoints and restarts");
        prop_assert!(training.iter().all(|run| run.done + run.lost <= run.records.len() && run.done <= run.steps));
    }

    #[test]
    fn the_same_scenario_and_seed_give_the_same_bytes(seed in 0..1000u64, tables in tables()) {
        let scenario = fleet(seed, 2.0, &tables);
        let bytes = || {
            let report = Report::of_fleet(&scenario, vec![run(&scenario), run(&scenario)]);
            (report.json().expect("json"), report.html(None).expect("html"), report.perfetto(None).expect("json"), report.table())
        };
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn what_one_model_draws_does_not_move_another(seed in 0..1000u64, rate in 1.0..90.0f64) {
        let machines = "[[machine]]\nname = \"a\"\n[[machine]]\nname = \"b\"\n";
        let model = |name: &str, rate: f64| format!("[[model]]\nname = \"{name}\"\nmachines = [\"{name}\"]\nload = {{ rate_hz = {rate:?} }}\n");
        let beside = |rate: f64| run(&fleet(seed, 2.0, &(machines.to_owned() + &model("a", 30.0) + &model("b", rate))));
        prop_assert_eq!(&beside(1.0).runs[0], &beside(rate).runs[0]);
    }
}

/// Two models on three machines behind either router, one of the machines going away, with memory that is sometimes too small, and a training run.
fn tables() -> impl Strategy<Value = String> {
    let router = prop::sample::select(vec!["round_robin", "least_loaded"]);
    let sharing = prop::sample::select(vec!["shared", "max_min", "fifo"]);
    (router, sharing, 0.05..0.5f64, 0.05..0.5f64, 1..20u32).prop_map(|(router, sharing, up, down, every)| {
        format!(
            "router = \"{router}\"\n[[machine]]\nname = \"a\"\nsharing = \"{sharing}\"\n[machine.presence]\n\
             generate = {{ markov = {{ levels = [1.0, 0.0], mean_s = [{up:?}, {down:?}] }} }}\nlength_s = 2.5\nend = \"loop\"\n\
             [[machine]]\nname = \"b\"\nspeed = 0.5\ntrace = {{ steps = [[0.0, 1.0], [0.5, 0.2], [0.7, 0.0], [0.8, 1.0]] }}\n\
             [[machine]]\nname = \"c\"\nheat = {{ ambient_c = 20.0, kelvin_per_watt = 2.0, joules_per_kelvin = 0.1, idle_w = 1.0, peak_w = 30.0, hot_c = 60.0, \
             cool_c = 50.0, throttle = 0.5 }}\nlink = {{ bytes_per_s = 1e6 }}\n\
             [[model]]\nname = \"m\"\nload = {{ rate_hz = 80.0 }}\nrequest = {{ deadline_ms = 60.0 }}\ntransferred = 2000.0\n\
             [[model]]\nname = \"n\"\nmachines = [\"c\", \"a\"]\nweight = 3\nload = {{ rate_hz = 30.0 }}\n\
             [[model]]\nname = \"t\"\nmachines = [\"a\"]\ntraining = {{ steps = 60, batch = 4, deadline_s = 2.2 }}\n\
             checkpoints = {{ every = {every}, cost_ms = 2.0, restart_ms = 4.0 }}\n"
        )
    })
}

#[test]
fn a_machine_that_never_comes_back_starves_what_waits_there() {
    let tables = "[[machine]]\nname = \"a\"\npresence = { steps = [[0.0, 1.0], [0.4, 0.0]] }\n[[model]]\nname = \"m\"\n\
                  load = { arrivals = \"periodic\", rate_hz = 10.0 }\n[[model]]\nname = \"t\"\ntraining = { steps = 100, batch = 1, deadline_s = 1.0 }\n";
    let run = run(&fleet(1, 1.0, tables));
    assert_eq!((run.runs[0].stopped, run.training[0].stopped), (Some(StopReason::Starved), Some(StopReason::Starved)));
    assert_eq!((run.runs[0].requests, run.runs[0].records.len(), run.runs[0].missed), (10, 4, 6));
    assert!(Report::of_fleet(&fleet(1, 1.0, tables), vec![run]).table().contains("starved"));
}

#[test]
fn steps_that_are_lost_are_made_again() {
    let tables = "[[machine]]\nname = \"a\"\npresence = { steps = [[0.0, 1.0], [0.5, 0.0], [0.6, 1.0]] }\ndevice = { mechanism = \"fluid\" }\n\
                  [[model]]\nname = \"t\"\ntraining = { steps = 40, batch = 1, deadline_s = 9.0 }\n\
                  checkpoints = { every = 10, cost_ms = 1.0, restart_ms = 1.0 }\n";
    let FleetRun { training, machines, .. } = held(&fleet(1, 1.0, tables));
    assert_eq!((training[0].done, training[0].in_time()), (40, true));
    assert!(
        (1..=10).contains(&training[0].lost) && training[0].records.len() == 40 + training[0].lost,
        "{}",
        training[0].lost
    );
    assert_eq!(machines[0].lost, 1, "the step that ran");
    assert!((machines[0].away - 0.1 / training[0].took_s).abs() < 1e-6);
}

#[test]
fn energy_is_that_of_idling_and_of_work() {
    let tables = "[[machine]]\nname = \"a\"\ndevice = { mechanism = \"fluid\" }\nheat = { ambient_c = 20.0, kelvin_per_watt = 1.0, joules_per_kelvin = 1.0, \
                  idle_w = 2.0, peak_w = 10.0, hot_c = 60.0, cool_c = 50.0, throttle = 0.5 }\n[[model]]\nname = \"m\"\n\
                  load = { arrivals = \"periodic\", rate_hz = 10.0 }\n";
    let FleetRun { runs, machines, .. } = run(&fleet(1, 2.0, tables));
    let end = runs[0].records.iter().filter_map(|record| record.finished).max().map_or(0.0, Nanos::seconds);
    let expected = 2.0 * end + 8.0 * machines[0].processor_s;
    assert!((machines[0].joules.expect("energy") - expected).abs() < 1e-6, "{machines:?}");
    assert_eq!(machines[0].throttled_s, Some(0.0));
    assert!((20.0..30.0).contains(&machines[0].hottest_c.expect("a temperature")));
}

#[test]
fn weights_decide_and_work_is_scaled() {
    let model = |name: &str, more: &str| {
        format!(
            "[[model]]\nname = \"{name}\"\nload = {{ arrivals = \"periodic\", rate_hz = 0.5 }}\nrequest = {{ deadline_ms = 9e3 }}\n{more}\n"
        )
    };
    let took = |sharing: &str, more: &str| {
        let machine =
            format!("[[machine]]\nname = \"a\"\nsharing = \"{sharing}\"\ndevice = {{ mechanism = \"fluid\" }}\n");
        let run = run(&fleet(1, 1.0, &(machine + &model("x", "") + &model("y", more))));
        let end = |i: usize| run.runs[i].records[0].finished.map_or(0.0, Nanos::seconds);
        (end(0), end(1))
    };
    let (one, other) = took("max_min", "weight = 9");
    assert!(other < 0.7 * one, "{one} {other}");
    let (one, other) = took("shared", "work = 10.0");
    assert!(other > 4.0 * one, "{one} {other}");
}

#[test]
fn each_model_has_a_router_of_its_own() {
    let machine = |name: &str| format!("[[machine]]\nname = \"{name}\"\n");
    let model = |name: &str| {
        format!("[[model]]\nname = \"{name}\"\nload = {{ arrivals = \"periodic\", rate_hz = 10.0 }}\nwork = 0.01\n")
    };
    let tables = [machine("x"), machine("y"), model("a"), model("b")].concat();
    let run = run(&fleet(1, 2.0, &format!("router = \"round_robin\"\n{tables}")));
    assert_eq!(run.machines.iter().map(|machine| machine.done).collect::<Vec<_>>(), [20, 20]);
    let alone =
        fleet(1, 2.0, &format!("router = \"round_robin\"\n{}", [machine("x"), machine("y"), model("a")].concat()));
    let done: Vec<usize> = self::run(&alone).machines.iter().map(|machine| machine.done).collect();
    assert_eq!(done, [10, 10]);
}

fn refusal(tables: &str) -> String {
    let text = format!("name = \"x\"\nduration_s = 2.0\n{tables}");
    let found = AnyScenario::parse(&text, "bad.toml").and_then(|scenario| match scenario {
        AnyScenario::Fleet(fleet) => FleetStage::new(&fleet, &ladder()).map(drop),
        AnyScenario::Plain(_) => panic!("{text} is no fleet"),
    });
    found.expect_err(tables).to_string()
}

#[test]
fn bad_fleets_are_refused_by_place_and_field() {
    let (machine, model) = ("[[machine]]\nname = \"a\"\n", "[[model]]\nname = \"m\"\n");
    let cases = [
        (machine.to_owned(), "missing field `model`"),
        (format!("{machine}ram = 3\n{model}"), "line 5, column 1: `ram = 3`: unknown field `ram`"),
        (
            format!("{machine}{machine}{model}"),
            "line 6, column 1: machine[1].name = \"a\": expected a name that no other has",
        ),
        (
            format!("{machine}speed = 0.0\n{model}"),
            "line 5, column 1: machine[0].speed = 0: expected a number from 0.001 to 1000",
        ),
        (
            format!("{machine}device = {{ tick_ms = 4.0 }}\n{model}"),
            "machine[0].device.tick_ms = 4: expected 0: ticks are not modelled",
        ),
        (
            format!("{machine}trace = {{ steps = [[0.0, 2.0]] }}\n{model}"),
            "machine[0].trace.steps[0][1] = 2: expected a share from 0 to 1",
        ),
        (format!("{machine}presence = {{ steps = [] }}\n{model}"), "machine[0].presence.steps: expected at least one"),
        (format!("{machine}presence = {{ file = \"none.csv\" }}\n{model}"), "none.csv: "),
        (
            format!("{machine}presence = {{ map = \"raw\", steps = [[0.0, 1.0]] }}\n{model}"),
            "machine[0].presence.map = \"raw\": expected a map that gives",
        ),
        (
            format!("{machine}memory = {{ bytes = -1.0 }}\n{model}"),
            "machine[0].memory.bytes = -1: expected a number from 1 to",
        ),
        (format!("{machine}link = {{ bytes_per_s = nan }}\n{model}"), "machine[0].link.bytes_per_s = NaN: expected"),
        (
            format!("{machine}{model}machines = [\"b\"]"),
            "line 7, column 1: model[0].machines: \"b\": expected names of machines",
        ),
        (
            format!("{machine}{model}load = {{ rate_hz = 1.0, utilisation = 1.0 }}"),
            "model[0].load: expected exactly one of",
        ),
        (
            format!("{machine}{model}load = {{ rate_hz = 1e12 }}"),
            "model[0].load: 1000000000000 requests a second for 2 s: expected at most",
        ),
        (
            format!("{machine}{model}request = {{ batch = 0, deadline_ms = 1.0 }}"),
            "model[0].request.batch = 0: expected at least 1",
        ),
        (format!("{machine}{model}batching = {{ most = 0 }}"), "model[0].batching.most = 0: expected at least 1"),
        (
            format!("{machine}{model}checkpoints = {{ every = 3 }}"),
            "model[0].checkpoints: expected it only with a table [model.training]",
        ),
        (format!("{machine}{model}ladder = \"none.json\""), "none.json: "),
        (
            format!("router = \"best\"\n{machine}{model}"),
            "line 3, column 10: `router = \"best\"`: unknown variant `best`",
        ),
        (
            format!(
                "{machine}[[machine]]\nname = \"b\"\n{model}training = {{ steps = 1, batch = 1, deadline_s = 1.0 }}"
            ),
            "model[0].machines: 2 machines: expected one, to train on",
        ),
    ];
    for (tables, expected) in cases {
        let message = refusal(&tables);
        assert!(message.contains(expected) && !message.contains('\n'), "{message}\nshould contain\n{expected}");
    }
}

#[test]
fn a_model_may_have_a_ladder_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = serde_json::to_string(&common::fixed(0.3)).expect("json");
    fs::write(folder.path().join("own.json"), own).expect("a file");
    let text = "name = \"x\"\nduration_s = 1.0\n[[machine]]\nname = \"a\"\n[[model]]\nname = \"m\"\nladder = \"own.json\"\nload = { rate_hz = 1.0 }\n";
    let scenario = FleetScenario::parse(text, folder.path().join("s.toml")).expect("a scenario");
    let stage = FleetStage::new(&scenario, &ladder()).expect("a stage");
    assert_eq!(stage.driven().map(|driven| driven.ladder.rungs().len()).collect::<Vec<_>>(), [1]);
}

#[test]
fn reports_have_every_model_and_machine() -> Result<(), Error> {
    for name in ["two-models", "preempted", "heat", "train-beside-serving"] {
        let shipped = library::by_name(name).expect("a scenario");
        let scenario = FleetScenario::parse(shipped.text, name)?.lasting(3.0)?;
        let stage = FleetStage::new(&scenario, &library::ladder().expect("a ladder"))?;
        let report = Report::of_fleet(&scenario, vec![stage.run("hold")?, stage.run("kalman")?]);
        let parts = scenario
            .models
            .iter()
            .map(|model| &model.name)
            .chain(scenario.machines.iter().map(|machine| &machine.name));
        let forms =
            [report.json().expect("json"), report.table(), report.html(None)?, report.perfetto(None).expect("json")];
        let missing = |form: &String| parts.clone().find(|part| !form.contains(*part));
        assert_eq!(forms.iter().find_map(missing), None);
        let back: Report = serde_json::from_str(&forms[0]).expect("a report");
        assert_eq!(back.json().expect("json"), forms[0]);
        let counts: BTreeMap<_, usize> = report.machines.iter().fold(BTreeMap::new(), |mut counts, run| {
            *counts.entry(&run.policy).or_default() += 1;
            counts
        });
        assert!(counts.values().all(|count| *count == scenario.machines.len()) && counts.len() == 2);
    }
    Ok(())
}
