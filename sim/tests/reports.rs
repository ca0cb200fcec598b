//! Reports: figures, forms, files.
mod common;
use common::{ladder, scenario, trace};
use std::fs;
use supple_sim::{PlantName, Report, Run, StopReason, Trace, simulate, write_atomically};
use supple_strategy::policies::Hold;
use supple_strategy::{Nanos, Outcome, Record};

fn record(arrival: u64, finished: Option<u64>, rung: usize, right: u32) -> Record {
    let ms = |ms: u64| Nanos(ms * 1_000_000);
    let outcome = if finished.is_some() { Outcome { right, of: 8 } } else { Outcome::default() };
    Record {
        arrival: ms(arrival),
        due: ms(arrival + 50),
        started: ms(arrival),
        finished: finished.map(ms),
        rung,
        outcome,
    }
}

fn run(plant: PlantName) -> Run {
    let records = vec![
        record(0, Some(20), 0, 8),
        record(100, Some(160), 0, 6),
        record(200, None, 0, 0),
        record(300, Some(310), 2, 7),
    ];
    Run::of("<p>", plant, 5, records, &ladder())
}

#[test]
fn figures_are_those_one_counts_by_hand() {
    let run = run(PlantName::Sim);
    assert_eq!((run.requests, run.missed, run.switches), (5, 3, 1));
    assert_eq!((run.p50_ms, run.p95_ms, run.p99_ms), (20.0, 60.0, 60.0));
    assert_eq!((run.accuracy, run.mean_density), (21.0 / 24.0, 2.25 / 3.0));
    assert_eq!((run.on_time_accuracy, run.miss_rate), (15.0 / 40.0, 0.6));
}

#[test]
fn a_run_without_answers_has_figures_too() {
    let run = Run::of("p", PlantName::Live, 3, vec![record(0, None, 0, 0)], &ladder());
    assert_eq!((run.missed, run.accuracy, run.p99_ms, run.mean_density, run.miss_rate), (3, 0.0, 0.0, 0.0, 1.0));
    let none = Run::of("p", PlantName::Live, 0, Vec::new(), &ladder());
    assert_eq!((none.missed, none.miss_rate), (0, 0.0));
}

fn report() -> Report {
    Report::new(&scenario(4, 1.0, ""), vec![run(PlantName::Live), run(PlantName::Sim)])
}

#[test]
fn the_file_begins_with_the_agreed_keys_and_reads_back() {
    let json = report().json().expect("json");
    let keys: Vec<_> =
        json.lines().filter_map(|line| line.trim().split_once("\": ")).map(|(key, _)| &key[1..]).collect();
    let agreed =
        ["policy", "plant", "requests", "missed", "accuracy", "mean_density", "p50_ms", "p95_ms", "p99_ms", "switches"];
    assert_eq!(keys[..3], ["scenario", "seed", "runs"]);
    assert_eq!(keys[3..13], agreed);
    assert!(json.contains("\"plant\": \"live\"") && json.contains("\"plant\": \"sim\""));
    let back: Report = serde_json::from_str(&json).expect("a report");
    assert_eq!(back.json().expect("json"), json);
    assert_eq!(back.table(), report().table());
}

#[test]
fn a_run_that_cannot_end_says_why() {
    let scenario = scenario(1, 2.0, "[load]\nrate_hz = 5.0\n[trace]\nsteps = [[0.0, 1.0], [1.0, 0.0]]\n");
    let trace = scenario.trace().expect("a trace");
    let run = simulate(&scenario, &ladder(), &trace, &mut Hold::default(), "hold").expect("a run");
    assert_eq!(run.stopped, Some(StopReason::Starved));
    let report = Report::new(&scenario, vec![run]);
    assert!(report.table().contains("starved") && report.json().expect("json").contains("\"stopped\": \"starved\""));
}

#[test]
fn a_policy_on_both_plants_is_compared() {
    let pairs = report().fidelity();
    assert_eq!((pairs.len(), pairs[0].miss_points, pairs[0].p95_ratio), (1, 0.0, 1.0));
    assert!(report().table().contains("sim against live"));
}

#[test]
fn the_page_is_whole_and_needs_nothing_else() {
    let html = report().html(&Trace::constant(0.5).expect("a trace")).expect("html");
    assert_eq!(html.matches("<svg").count(), 6);
    assert!(html.contains("&lt;p&gt; · sim") && !html.contains("<p> ·"));
    let links = ["src=", "href=", "@import", "url(", "<script"];
    assert!(links.iter().all(|link| !html.contains(link)));
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.json");
    write_atomically(&path, b"old").expect("written");
    write_atomically(&path, b"new").expect("written");
    assert_eq!(fs::read(&path).expect("the file"), b"new");
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inner")).expect("a folder");
    let error = write_atomically(&taken, b"x").expect_err("a folder is no file").to_string();
    assert!(error.starts_with(&format!("{}: ", taken.display())), "{error}");
    let error = write_atomically(&folder.path().join("no/a"), b"x").expect_err("no folder").to_string();
    assert!(error.contains("no/a: "), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
}

#[test]
fn a_report_is_two_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = scenario(4, 1.0, "");
    let trace = scenario.trace().expect("a trace");
    let run = simulate(&scenario, &ladder(), &trace, &mut Hold::default(), "hold").expect("a run");
    Report::new(&scenario, vec![run]).write(&folder.path().join("new"), &trace).expect("written");
    let mut names: Vec<_> =
        fs::read_dir(folder.path().join("new")).expect("the folder").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.html", "report.json"]);
}

#[test]
fn a_trace_file_has_every_piece_of_work() {
    let report = report();
    let text = report.perfetto(&trace(&[(0, 1.0), (150, 0.5)])).expect("JSON");
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = file["traceEvents"].as_array().expect("events");
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
    assert_eq!(of("X").len(), 2 * 3);
    assert_eq!(of("i").len(), 2 * 2);
    assert_eq!(of("b").len(), of("e").len());
    let work = of("X")[0];
    assert_eq!(
        (work["name"].as_str(), work["ts"].as_f64(), work["dur"].as_f64()),
        (Some("rung 0"), Some(0.0), Some(20_000.0))
    );
    let share: Vec<_> = of("C").into_iter().filter(|event| event["name"] == "share" && event["pid"] == 1).collect();
    assert_eq!(share[1]["args"]["share"], 0.5);
    assert!(events.iter().all(|event| event["ph"] == "M" || event["ts"].is_number()));
}
