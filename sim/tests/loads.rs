//! Loads that are modulated or replayed: arrivals are the file's, whatever the seed.
mod common;
use common::ladder;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use supple_sim::{Error, FleetScenario, FleetStage, Run, Scenario, simulate};
use supple_strategy::policies::Hold;

const HEAD: &str = "name = \"x\"\nduration_s = 100.0\n[trace]\nsteps = [[0.0, 1.0]]\n[load]\n";

/// Arrivals in seconds of a scenario whose load replays a file with these times, one a line.
fn replayed(seed: u64, seconds: &[f64], table: &str) -> Result<Vec<f64>, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = seconds.iter().map(|second| format!("{second}\n")).collect();
    fs::write(folder.path().join("arrivals.csv"), format!("arrival_s\n{lines}")).expect("a file");
    arrivals(seed, folder.path(), &format!("arrivals = \"replayed\"\nfile = \"arrivals.csv\"\n{table}"))
}

fn arrivals(seed: u64, folder: &Path, table: &str) -> Result<Vec<f64>, Error> {
    let mut scenario = Scenario::parse(&format!("{HEAD}{table}\n"), folder.join("s.toml"))?;
    scenario.seed = seed;
    let requests = scenario.requests(&ladder())?;
    assert_eq!(requests, scenario.with_files_in(Some(folder)).requests(&ladder())?);
    Ok(requests.into_iter().map(|request| request.arrival.seconds()).collect())
}

/// Ascending times in whole milliseconds, the first at zero.
fn times() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0..2_000u64, 1..40).prop_map(|gaps| {
        let mut now = 0;
        let after = gaps.into_iter().map(|gap| {
            now += gap;
            now as f64 / 1e3
        });
        std::iter::once(0.0).chain(after).collect()
    })
}

fn near(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arrivals_are_the_files_and_no_seed_moves_them(times in times(), seeds: (u32, u32)) {
        let [one, other] = [seeds.0, seeds.1].map(|seed| replayed(seed.into(), &times, "").expect("arrivals"));
        prop_assert_eq!(&one, &other);
        prop_assert!(near(&one, &times), "{:?}", one);
    }

    #[test]
    fn a_window_is_cut_and_played_faster(times in times(), from in 0.0..20.0f64, span in 0.5..40.0f64, faster in 0.5..8.0f64) {
        let table = format!("from_s = {from:?}\nuntil_s = {:?}\nfaster = {faster:?}", from + span);
        let inside = times.iter().filter(|time| (from..from + span).contains(*time));
        let expected: Vec<f64> = inside.map(|time| (time - from) / faster).filter(|time| *time < 100.0).collect();
        let none = times.iter().all(|time| !(from..from + span).contains(time));
        match replayed(1, &times, &table) {
            Ok(found) => prop_assert!(near(&found, &expected), "{found:?}\n{expected:?}"),
            Err(error) => prop_assert!(none && error.to_string().contains("expected one from load.from_s to load.until_s")),
        }
    }

    #[test]
    fn a_recording_is_brought_to_the_rate_that_is_wanted(times in times(), rate_hz in 1.0..50.0f64) {
        let until = times[times.len() - 1] + 0.001;
        let wanted = [format!("rate_hz = {rate_hz:?}"), format!("utilisation = {:?}", rate_hz * MEAN)];
        for rate in wanted {
            let found = replayed(1, &times, &format!("until_s = {until:?}\n{rate}")).expect("arrivals");
            let expected: Vec<f64> = times.iter().map(|time| time * times.len() as f64 / (rate_hz * until)).collect();
            prop_assert!(near(&found, &expected), "{found:?}\n{expected:?}");
        }
    }

    #[test]
    fn steps_bend_a_recording_too(times in times()) {
        let found = replayed(1, &times, "steps = [[0.0, 2.0]]").expect("arrivals");
        let faster = replayed(1, &times, "faster = 2.0").expect("arrivals");
        prop_assert!(near(&found, &faster));
    }
}

/// Mean service time of the dense rung of the tests' ladder: the area under its quantiles.
const MEAN: f64 = 0.020 * (0.925 + 0.975 + 1.025 + 1.175) / 4.0;

#[test]
fn events_of_every_format_can_be_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.5,4808,10\n2023-11-16 18:17:04.0,3180,8\n";
    fs::write(folder.path().join("code.csv"), text).expect("a file");
    let found = arrivals(1, folder.path(), "arrivals = \"replayed\"\nfile = \"code.csv\"\nformat = \"azure_llm\"");
    assert_eq!(found.expect("arrivals"), [0.0, 0.5]);
}

#[test]
fn modulated_arrivals_follow_their_phases() {
    let table = "arrivals = \"modulated\"\nrate_hz = 40.0\nphases = [[0.0, 5.0], [2.0, 5.0]]";
    let found = arrivals(3, Path::new(""), table).expect("arrivals");
    let gaps: Vec<f64> = found.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (mean, longest) = (100.0 / found.len() as f64, gaps.iter().copied().fold(0.0, f64::max));
    assert!((0.5 / 40.0..2.0 / 40.0).contains(&mean) && longest > 1.0, "{mean} {longest}");
    assert_eq!(found, arrivals(3, Path::new(""), table).expect("arrivals"));
    assert_ne!(found, arrivals(4, Path::new(""), table).expect("arrivals"));
}

/// A scenario whose load replays requests of these sizes, a tenth of a second apart, and the fleet that is the same.
fn sized(folder: &Path, sizes: &[u32], table: &str) -> (Scenario, FleetScenario) {
    let line = |(i, size): (usize, &u32)| format!("{:?},{size},x\n", i as f64 / 10.0);
    let lines: String = sizes.iter().enumerate().map(line).collect();
    fs::write(folder.join("sized.csv"), format!("arrival_s,tokens,name\n{lines}")).expect("a file");
    let load = format!("arrivals = \"replayed\"\nfile = \"sized.csv\"\n{table}");
    let head = "name = \"x\"\nduration_s = 100.0\n";
    let request = "deadline_ms = 1e6";
    let plain = format!("{head}[trace]\nsteps = [[0.0, 1.0]]\n[load]\n{load}\n[request]\n{request}\n");
    let fleet = format!(
        "{head}[[machine]]\nname = \"a\"\n[[model]]\nname = \"m\"\n[model.load]\n{load}\n[model.request]\n{request}\n"
    );
    let origin = folder.join("s.toml");
    (Scenario::parse(&plain, &origin).expect("a scenario"), FleetScenario::parse(&fleet, &origin).expect("a fleet"))
}

fn held(scenario: &Scenario) -> Run {
    let trace = scenario.trace().expect("a trace");
    simulate(scenario, &ladder(), &trace, &mut Hold::default(), "hold").expect("a run")
}

/// Processor time that the requests of a run without waiting took, in seconds.
fn served(run: &Run) -> Vec<f64> {
    run.records.iter().map(|record| (record.finished.expect("an end") - record.started).seconds()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn work_is_proportional_to_a_column(sizes in prop::collection::vec(1..500u32, 2..30), one in 10.0..500.0f64) {
        let folder = tempfile::tempdir().expect("a folder");
        let mean = f64::from(sizes.iter().sum::<u32>()) / sizes.len() as f64;
        let even = served(&held(&sized(folder.path(), &sizes, "").0));
        for (table, one) in [("size = \"tokens\"".to_owned(), mean), (format!("size = \"tokens\"\nsize_of_one = {one:?}"), one)] {
            let (plain, fleet) = sized(folder.path(), &sizes, &table);
            let run = held(&plain);
            let expected = even.iter().zip(&sizes).map(|(time, size)| time * f64::from(*size) / one);
            prop_assert!(served(&run).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 2e-8));
            let stage = FleetStage::new(&fleet, &ladder()).expect("a stage");
            let fleet = &stage.run("hold").expect("a run").runs[0];
            let apart = run.records.iter().zip(&fleet.records).map(|(a, b)| a.finished.unwrap_or_default().0.abs_diff(b.finished.unwrap_or_default().0));
            prop_assert!(apart.max().unwrap_or(0) <= 2 + 2 * sizes.len() as u64);
        }
    }

    #[test]
    fn equal_sizes_are_no_sizes(size in 1..500u32, count in 2..30usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let sizes = vec![size; count];
        let [without, with] = ["", "size = \"tokens\""].map(|table| held(&sized(folder.path(), &sizes, table).0));
        prop_assert_eq!(without, with);
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |sizes: &[u32], table: &str| {
        sized(folder.path(), sizes, table).0.requests(&ladder()).expect_err(table).to_string()
    };
    let error = message(&[1, 2], "size = \"token\"");
    assert!(error.ends_with("sized.csv: load.size: column `token`: expected a column of numbers: tokens"), "{error}");
    let error = message(&[0, 0], "size = \"tokens\"");
    assert!(error.ends_with("load.size: `tokens`, 0 on average: expected a finite mean above 0"), "{error}");
    fs::write(folder.path().join("gap.csv"), "arrival_s,tokens\n0,1\n1,\n").expect("a file");
    let table = "arrivals = \"replayed\"\nfile = \"gap.csv\"\nsize = \"tokens\"";
    let error = arrivals(1, folder.path(), table).expect_err("a gap").to_string();
    assert!(error.ends_with("load.size: `tokens` of event 2 of 2: expected a finite amount"), "{error}");
}

#[test]
fn loads_that_cannot_be_are_refused_by_name() {
    let replay = "arrivals = \"replayed\"\n";
    let cases = [
        (replay.to_owned(), "line 5, column 2: load.file: expected the path of a file"),
        (format!("{replay}file = \"none.csv\""), "none.csv: "),
        (
            format!("{replay}file = \"f\"\nformat = \"xml\""),
            "line 8, column 1: load.format = \"xml\": expected one of native",
        ),
        (
            format!("{replay}file = \"f\"\nrate_hz = 1.0\nfaster = 2.0"),
            "load: expected at most one of utilisation, rate_hz and faster",
        ),
        (
            format!("{replay}file = \"f\"\nfaster = 0.0"),
            "line 8, column 1: load.faster = 0: expected a finite number above 0",
        ),
        (
            format!("{replay}file = \"f\"\nfrom_s = 3.0\nuntil_s = 3.0"),
            "load.until_s = 3: expected a finite number above 3",
        ),
        (format!("{replay}file = \"f\"\nsize_of_one = 2.0"), "load.size_of_one: expected it only with load.size"),
        ("rate_hz = 1.0\nsize = \"f\"".to_owned(), "load.size: expected it only with load.arrivals = \"replayed\""),
        (
            format!("{replay}file = \"f\"\nsize = \"x\"\nsize_of_one = 0.0"),
            "line 9, column 1: load.size_of_one = 0: expected a finite number above 0",
        ),
        ("rate_hz = 1.0\nfile = \"f\"".to_owned(), "load.file: expected it only with load.arrivals = \"replayed\""),
        ("rate_hz = 1.0\nphases = [[1.0, 1.0]]".to_owned(), "load.phases: expected phases if and only if"),
        (
            "arrivals = \"modulated\"\nrate_hz = 1.0\nphases = [[1.0, 0.0]]".to_owned(),
            "load.phases[0][1] = 0: expected a finite number, at least 0.001",
        ),
    ];
    for (table, expected) in cases {
        let message = arrivals(1, Path::new(""), &table).expect_err(&table).to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}\nshould contain\n{expected}");
    }
}

#[test]
fn files_that_hold_no_arrivals_are_named() {
    let message = |seconds: &[f64], table: &str| replayed(1, seconds, table).expect_err(table).to_string();
    let error = message(&[0.0, 1.0], "from_s = 5.0");
    assert!(
        error.ends_with("arrivals.csv: load.file: none of 2 events: expected one from load.from_s to load.until_s"),
        "{error}"
    );
    let error = message(&[0.0], "rate_hz = 2.0");
    assert!(error.contains("arrivals.csv: load.file: all arrivals at one time"), "{error}");
    assert!(message(&[], "").contains("expected at least one event, found none"));
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("share.csv"), "seconds,share\n0,0.5\n").expect("a file");
    let error =
        arrivals(1, folder.path(), "arrivals = \"replayed\"\nfile = \"share.csv\"").expect_err("no events").to_string();
    assert!(error.contains("share.csv: ") && error.contains("events"), "{error}");
}

#[test]
fn what_comes_after_the_duration_is_left_out() {
    assert_eq!(replayed(1, &[0.0, 99.0, 100.0, 200.0], "").expect("arrivals"), [0.0, 99.0]);
}
