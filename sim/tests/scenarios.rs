//! Scenario files: the good ones read, each bad one is refused with file and field.
mod common;
use common::ladder;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use supple_sim::{AnyScenario, Error, Scenario, library};
use supple_strategy::Nanos;

const GOOD: &str = "name = \"x\"\nduration_s = 2.0\n[trace]\nsteps = [[0.0, 1.0], [1.0, 0.5]]\n";

#[test]
fn scenarios_that_come_with_the_crate_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = files.filter(is_scenario).map(|path| stem(&path)).collect();
    names.sort();
    assert_eq!(names, library::ALL.iter().map(|shipped| shipped.name).collect::<Vec<_>>());
    for shipped in library::ALL {
        let scenario = AnyScenario::parse(shipped.text, shipped.name).expect("a scenario");
        assert_eq!(scenario.name(), shipped.name);
        assert!(shipped.text.starts_with("# "), "{} says what it shows", shipped.name);
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn refusal(text: &str) -> String {
    let found = Scenario::parse(text, "bad.toml").and_then(|s| s.trace().and(s.requests(&ladder())).map(drop));
    found.expect_err(text).to_string()
}

#[test]
fn bad_scenarios_are_refused_by_file_and_field() {
    let cases = [
        ("duration_s = 2.0", "duration_s = -1.0", "duration_s = -1: expected a finite number above 0"),
        ("duration_s = 2.0", "duration_s = inf", "duration_s = inf: expected a finite number above 0"),
        ("duration_s = 2.0", "duration_s = \"long\"", "line 2, column 14: `duration_s = \"long\"`: invalid type"),
        ("duration_s = 2.0", "durations = 2.0", "line 2, column 1: `durations = 2.0`: unknown field `durations`"),
        ("duration_s = 2.0", "duration_s = ", "line 2, column 14: `duration_s =`: "),
        ("[1.0, 0.5]", "[1.0, nan]", "trace.steps[1][1] = NaN: expected a share from 0 to 1"),
        ("[1.0, 0.5]", "[0.0, 0.5]", "trace.steps[1][0] = 0: expected a finite number above 0"),
        ("[0.0, 1.0]", "[0.5, 1.0]", "trace.steps[0][0] = 0.5: expected 0"),
        ("[[0.0, 1.0], [1.0, 0.5]]", "[]", "trace.steps: expected at least one [seconds, share]"),
        ("steps", "file = \"no\"\nsteps", "trace: expected exactly one of steps, file and generate"),
        ("steps", "floor = 0.6\nceiling = 0.5\nsteps", "trace.floor = 0.6: expected at most trace.ceiling"),
        (
            "steps",
            "length_s = 0.5\nend = \"loop\"\nsteps",
            "trace.length = 0.5 s: expected more than 1, the time of the last",
        ),
        ("steps", "end = \"burn\"\nsteps", "line 4, column 7: `end = \"burn\"`: unknown variant `burn`, expected"),
    ];
    for (old, new, expected) in cases {
        let message = refusal(&GOOD.replace(old, new));
        assert!(message.starts_with("bad.toml: "), "{message}");
        assert!(message.contains(expected), "{message}\nshould contain\n{expected}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn bad_tables_are_refused_by_file_and_field() {
    let cases = [
        ("[load]\nutilisation = 0.5\nrate_hz = 3.0", "load: expected exactly one of utilisation and rate_hz"),
        ("[load]\nutilisation = -0.5", "load.utilisation = -0.5: expected a finite number, not below 0"),
        ("[load]\nrate_hz = 1e12", "1000000000000 requests a second for 2 s: expected at most 10000000 requests"),
        (
            "[load]\nrate_hz = 1.0\nsteps = [[1.0, 1.0]]",
            "load.steps[0][0] = 1: expected 0 first, then ascending finite numbers",
        ),
        (
            "[load]\nrate_hz = 1.0\nsteps = [[0.0, -1.0]]",
            "load.steps[0][1] = -1: expected a finite number, not below 0",
        ),
        (
            "[load]\nrate_hz = 1.0\nlength_s = 1.0\nsteps = [[0.0, 1.0], [1.0, 0.0]]",
            "load.length_s = 1: expected a time after the last of load.steps",
        ),
        ("[[demand.changes]]\nat_s = 0.0", "demand.changes[0].at_s = 0: expected a finite number above 0"),
        (
            "[[demand.changes]]\nat_s = 1.0\naccuracy_floor = 2.0",
            "demand.changes[0].accuracy_floor = 2: expected a fraction from 0 to 1",
        ),
        ("[request]\nbatch = 0\ndeadline_ms = 5.0", "request.batch = 0: expected at least 1"),
        ("[request]\nbatch = 1", "request: expected exactly one of deadline_services and deadline_ms"),
        ("[request]\ndeadline_ms = 0.0", "request.deadline_ms = 0: expected a finite number above 0"),
        ("[demand]\nmiss_ceiling = 20.0", "demand.miss_ceiling = 20: expected a fraction from 0 to 1"),
        ("[policy]\nconfidence = 1.5", "policy.confidence = 1.5: expected at least 0.5 and below 1"),
        ("[device]\nperiod_ms = 0.0", "device.period_ms = 0: expected a number from 1 to 1000"),
        ("[training]\nsteps = 0\nbatch = 1\ndeadline_s = 1.0", "training.steps = 0: expected at least 1"),
    ];
    for (table, expected) in cases {
        let message = refusal(&format!("{GOOD}{table}\n"));
        let (place, rest) = message.split_once(&format!(": {expected}")).expect(&message);
        assert_eq!(rest, "");
        assert!(place.starts_with("bad.toml: line ") || expected.starts_with("1000000000000"), "{message}");
    }
}

#[test]
fn what_begins_again_too_soon_is_refused() {
    let trace = |table: &str| GOOD.replace("steps = [[0.0, 1.0], [1.0, 0.5]]", table);
    let looped = "steps = [[0.0, 1.0], [1e-9, 0.5]]\nlength_s = 3e-9\nend = \"loop\"";
    let error = refusal(&trace(looped));
    assert!(
        error.ends_with("trace.length_s = 0.000000003: expected at least 0.000002 s, a microsecond a piece"),
        "{error}"
    );
    let blocks = "steps = [[0.0, 1.0]]\nlength_s = 1.0\nend = \"bootstrap\"\nblock_s = 1e-9";
    assert!(refusal(&trace(blocks)).contains("trace.block_s = 0.000000001: expected at least 0.000001 s"));
    let bandwidth = format!("{GOOD}[bandwidth]\nsteps = [[0.0, 1.0], [1e-9, 0.5]]\nlength_s = 3e-9\n");
    assert!(refusal(&bandwidth).contains("bandwidth.length_s = 0.000000003: expected at least 0.000002 s"));
}

#[test]
fn refusals_say_line_and_column() {
    assert!(
        refusal(&GOOD.replace("duration_s = 2.0", "duration_s = -1.0")).starts_with("bad.toml: line 2, column 1: ")
    );
    assert!(refusal(&GOOD.replace("[1.0, 0.5]", "[1.0, 7.5]")).starts_with("bad.toml: line 4, column 28: "));
    let change = "[[demand.changes]]\nat_s = 1.0\n[[demand.changes]]\nat_s = 0.5\n";
    assert!(refusal(&format!("{GOOD}{change}")).starts_with("bad.toml: line 8, column 1: "));
}

#[test]
fn demands_change_at_their_time() {
    let tables = "[load]\narrivals = \"periodic\"\nrate_hz = 1.0\n[request]\ndeadline_ms = 10.0\n[demand]\nmiss_ceiling = 0.1\n\
                  [[demand.changes]]\nat_s = 1.0\ndeadline_ms = 20.0\n[[demand.changes]]\nat_s = 2.5\naccuracy_floor = 0.9\n";
    let scenario = common::scenario(1, 4.0, tables);
    let requests = scenario.requests(&ladder()).expect("requests");
    let spans: Vec<f64> = requests.iter().map(|request| (request.due - request.arrival).millis()).collect();
    assert_eq!(spans, [10.0, 20.0, 20.0, 20.0]);
    let changes = scenario.changes(&ladder());
    assert_eq!(changes.iter().map(|(when, _)| when.seconds()).collect::<Vec<_>>(), [1.0, 2.5]);
    assert_eq!(changes[1].1.accuracy_floor, Some(0.9));
    assert_eq!(changes[1].1.miss_ceiling, Some(0.1));
    assert_eq!(changes[1].1.deadline, Some(Nanos(20_000_000)));
}

/// A folder with a scenario that names a trace file, and that file.
fn beside(trace: &str, table: &str) -> Result<Vec<(Nanos, f64)>, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("t.csv"), trace).expect("a file");
    let text = format!("name = \"x\"\nduration_s = 2.0\n[trace]\nfile = \"t.csv\"\n{table}\n");
    let scenario = Scenario::parse(&text, folder.path().join("s.toml"))?;
    let inside = scenario.clone().with_files_in(Some(folder.path())).trace()?;
    assert_eq!(inside, scenario.trace()?);
    Ok(inside.points().to_vec())
}

const NAB: &str = "timestamp,value\n2014-01-01 00:00:00,90\n2014-01-01 00:05:00,100\n2014-01-01 00:10:00,25\n";

#[test]
fn trace_files_are_cut_mapped_pressed_and_clipped() {
    let table = "format = \"nab\"\nmap = \"free\"\nskip = 1\nseconds_per_sample = 0.5\nfloor = 0.05\nend = \"loop\"";
    assert_eq!(beside(NAB, table).expect("a trace"), [(Nanos(0), 0.05), (Nanos(500_000_000), 0.75)]);
    let table = "format = \"nab\"\nmap = \"free\"\nskip = 1";
    assert_eq!(beside(NAB, table).expect("a trace"), [(Nanos(0), 0.0), (Nanos(300_000_000_000), 0.75)]);
}

#[test]
fn bad_trace_files_are_named() {
    let message = |trace, table| beside(trace, table).expect_err("refused").to_string();
    let error = message(NAB, "format = \"nab\"");
    assert!(error.contains("t.csv: value 90 of sample 0: expected a share from 0 to 1"), "{error}");
    let error = message(NAB, "format = \"nab\"\nskip = 3");
    assert!(error.contains("t.csv: trace.skip = 3: expected less than 3, the samples of the trace"), "{error}");
    let error = message("seconds,share\n0,x\n", "");
    assert!(error.contains("t.csv: line 2, column 2: `share` is `x`"), "{error}");
    let error = message(NAB, "format = \"xml\"");
    assert!(
        error.contains("s.toml: line 5, column 1: trace.format = \"xml\": expected one of native, host"),
        "{error}"
    );
    let missing = Scenario::parse("name = \"x\"\nduration_s = 1.0\n[trace]\nfile = \"none.csv\"\n", "s.toml");
    let error = missing.expect("a scenario").trace().expect_err("no file").to_string();
    assert!(error.starts_with("none.csv: "), "{error}");
}

proptest! {
    #[test]
    fn requests_ascend_and_arrive_within_the_duration(seed: u64, rate in 0.0..500.0, periodic: bool) {
        let arrivals = if periodic { "periodic" } else { "poisson" };
        let tables = format!("[load]\narrivals = \"{arrivals}\"\nrate_hz = {rate:?}\n[request]\ndeadline_ms = 5.0\n");
        let scenario = common::scenario(seed >> 1, 4.0, &tables);
        let requests = scenario.requests(&ladder()).expect("requests");
        prop_assert_eq!(&requests, &scenario.requests(&ladder()).expect("requests"));
        prop_assert!(requests.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
        prop_assert!(requests.iter().all(|r| r.arrival < scenario.duration() && r.due == r.arrival + Nanos(5_000_000)));
        let expected: f64 = 4.0 * rate;
        prop_assert!((requests.len() as f64 - expected).abs() <= 1.0 + 6.0 * expected.sqrt());
    }

    #[test]
    fn no_text_makes_a_scenario_panic(text in "[a-z_\\[\\]=0-9.\n\" ]{0,80}") {
        let _ = AnyScenario::parse(&text, "any.toml");
    }
}
