//! The program as a user meets it: exit codes, one-line errors, files that are whole or not there.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use supple::Model;
use supple::executor::Backend;
use supple::graph::Density;
use supple::strategy::{Amounts, Ladder, Rung, Spread, Stamp};

fn supple(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supple"));
    command.current_dir(folder).args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program and expects exit code 2 and a one-line error that contains every part.
fn refused(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let output = supple(folder, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let line = error.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: "), "{arguments:?}: {error}");
    for part in parts {
        assert!(line.contains(part), "{arguments:?}: `{part}` is not in: {line}");
    }
}

fn stamp() -> Stamp {
    Model::demo().unwrap().stamp(Backend::preferred().unwrap(), 1, 8, "glyphs")
}

/// A made-up ladder for the shipped model, written to a file.
fn ladder(folder: &Path, name: &str, stamp: Stamp) -> PathBuf {
    let model = Model::demo().unwrap();
    let rung = |(i, per_mille): (usize, u16)| Rung {
        setting: model.elastic().analysis().uniform(Density::new(per_mille).unwrap()),
        cost: Amounts::of_seconds(4e-3 / (i + 1) as f64),
        service: Spread::of(vec![4e-3 / (i + 1) as f64]).unwrap(),
        quality: 0.97 - 0.01 * i as f64,
    };
    let rungs = [1000, 500, 250, 125].into_iter().enumerate().map(rung).collect();
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_string(&Ladder::new(stamp, rungs).unwrap()).unwrap()).unwrap();
    path
}

#[test]
fn a_simulation_is_the_same_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    ladder(folder.path(), "ladder.json", stamp());
    let run = |report: &str| {
        let output = supple(folder.path(), &["simulate", "--scenario", "demo", "--report", report, "--json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
        (output.stdout, std::fs::read(folder.path().join(report).join("report.html")).unwrap())
    };
    let (first, second) = (run("a"), run("b"));
    assert!(first == second);
    let report: serde_json::Value = serde_json::from_slice(&first.0).unwrap();
    assert_eq!(report["scenario"], "demo");
    let keys =
        ["policy", "plant", "requests", "missed", "accuracy", "mean_density", "p50_ms", "p95_ms", "p99_ms", "switches"];
    for run in report["runs"].as_array().unwrap() {
        assert!(keys.iter().all(|key| !run[key].is_null()), "{run}");
    }
}

#[test]
fn a_demand_that_is_not_kept_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    ladder(folder.path(), "ladder.json", stamp());
    let scenario = "name = \"starved\"\nseed = 1\nduration_s = 2.0\n[trace]\nsteps = [[0.0, 0.0]]\n[request]\nbatch = 8\ndeadline_services = 3.0\n[demand]\nmiss_ceiling = 0.1\n";
    std::fs::write(folder.path().join("starved.toml"), scenario).unwrap();
    let output = supple(folder.path(), &["simulate", "--scenario", "starved.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn what_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = ladder(folder.path(), "ladder.json", stamp());
    let ladder = path.to_str().unwrap();
    let at = folder.path();
    refused(at, &["analyze", "resnet"], &["`resnet`", "mlp, cnn, chars, patches"]);
    refused(at, &["simulate", "--scenario", "none.toml"], &["none.toml"]);
    refused(at, &["simulate", "--scenario", "demo", "--ladder", "none.json"], &["none.json"]);
    refused(
        at,
        &["simulate", "--scenario", "demo", "--ladder", ladder, "--policy", "oracle"],
        &["oracle", "hold, kalman, slack"],
    );
    refused(at, &["train", "--model", "cnn", "--data", "nowhere"], &["nowhere", "train-images"]);
    refused(at, &["train", "--steps", "0"], &["--steps 0", "at least 1"]);
    refused(at, &["train", "--rate", "nan"], &["--rate", "finite"]);
    refused(at, &["train", "--backend", "abacus"], &["abacus", "flex"]);
}

#[test]
fn broken_files_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("cut.safetensors"), [8, 0, 0, 0]).unwrap();
    refused(at, &["analyze", "cut.safetensors"], &["cut.safetensors"]);
    std::fs::write(at.join("ladder.json"), "{\"stamp\": 3}").unwrap();
    refused(at, &["simulate", "--scenario", "demo"], &["ladder.json"]);
    let negative = "name = \"n\"\nseed = 1\nduration_s = -1.0\n[trace]\nsteps = [[0.0, 1.0]]\n";
    std::fs::write(at.join("n.toml"), negative).unwrap();
    refused(at, &["simulate", "--scenario", "n.toml"], &["n.toml", "duration_s"]);
    let backwards = "name = \"b\"\nseed = 1\nduration_s = 1.0\n[trace]\nsteps = [[0.0, 1.0], [2.0, 0.5], [1.0, 0.5]]\n";
    std::fs::write(at.join("b.toml"), backwards).unwrap();
    refused(at, &["simulate", "--scenario", "b.toml"], &["b.toml", "trace"]);
}

#[test]
fn a_ladder_of_another_model_or_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    ladder(folder.path(), "machine.json", Stamp { machine: "abacus".into(), ..stamp() });
    ladder(folder.path(), "model.json", Stamp { weights: "0".into(), ..stamp() });
    let serve = |ladder| ["serve", "--scenario", "demo", "--ladder", ladder];
    refused(folder.path(), &serve("machine.json"), &["machine.json", "stamp.machine = abacus"]);
    refused(folder.path(), &serve("model.json"), &["model.json", "stamp.weights = 0"]);
}

#[test]
fn a_report_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    ladder(folder.path(), "ladder.json", stamp());
    std::fs::write(folder.path().join("taken"), "a file").unwrap();
    let output = supple(folder.path(), &["simulate", "--scenario", "demo", "--report", "taken"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("taken"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

const TRAIN: [&str; 9] = ["train", "--model", "mlp", "--elastic", "--batch", "8", "--steps", "140", "--out"];

/// Interrupts a training run as soon as it has written a checkpoint.
fn interrupted(folder: &Path, out: &str) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supple"));
    let mut child = command.current_dir(folder).args(TRAIN).arg(out).spawn().unwrap();
    let checkpoint = folder.join(format!("{out}.checkpoint"));
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn an_interrupted_training_run_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(interrupted(at, "b.safetensors"), Some(130));
    let model = |out: &str, more: &[&str]| {
        let output = supple(at, &[&TRAIN[..], &[out], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        Model::read(&at.join(out)).unwrap()
    };
    let (whole, resumed) = (model("a.safetensors", &[]), model("b.safetensors", &["--resume"]));
    assert_eq!(whole.file(), resumed.file());
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 2);
    refused(at, &[&TRAIN[..], &["none.safetensors", "--resume"]].concat(), &["none.safetensors.checkpoint"]);
}

#[test]
fn bench_switch_prints_the_three_figures() {
    let folder = tempfile::tempdir().unwrap();
    let output = supple(folder.path(), &["bench", "switch", "--json"]);
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["switch_ns"].is_number() && figures["decision_ns"].is_number());
    assert_eq!(figures["allocations"], 0);
}

#[test]
fn scenarios_are_checked_listed_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("good.toml"), "name = \"g\"\nduration_s = 1.0\n[trace]\nsteps = [[0.0, 1.0]]\n").unwrap();
    std::fs::write(at.join("bad.toml"), "name = \"b\"\nduration_s = 1.0\n[trace]\nsteps = [[0.0, 1.5]]\n").unwrap();
    let output = supple(at, &["scenario", "check", "good.toml", "demo"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "good.toml: good\ndemo: good\n".to_owned()));
    let output = supple(at, &["scenario", "check", "bad.toml", "good.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("bad.toml: line 4, column 16: trace.steps[0][1] = 1.5"),
        "{}",
        text(&output.stderr)
    );
    let text_of =
        |trace: &str| format!("name = \"s\"\nduration_s = 1.0\n[trace]\nsteps = [[0.0, 1.0]]\n[speed]\n{trace}\n");
    std::fs::write(at.join("speed.toml"), text_of("file = \"speed.csv\"\nmap = \"raw\"")).unwrap();
    refused(at, &["scenario", "check", "speed.toml", "--traces", "."], &["speed.csv"]);
    let schema: serde_json::Value = serde_json::from_slice(&supple(at, &["scenario", "schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "Scenario");
    let list = text(&supple(at, &["scenario", "list", "--json"]).stdout);
    assert!(list.lines().count() >= 12 && list.contains("\"co-tenant\""));
    let shown = text(&supple(at, &["scenario", "show", "demo"]).stdout);
    assert!(shown.contains("name = \"demo\""));
    refused(at, &["scenario", "show", "nothing"], &["nothing", "co-tenant"]);
}

#[test]
fn a_sweep_of_parts_is_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sweep = |more: &[&str]| {
        let basis = ["sweep", "--scenarios", "demo", "night", "--seeds", "0..6", "--duration", "2", "--regret"];
        let output = supple(at, &[&basis[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output.stdout
    };
    let whole = sweep(&["--out", "whole", "--json"]);
    let comparison: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(comparison["summaries"].as_array().unwrap().len(), 4);
    sweep(&["--out", "a", "--shard", "1/2", "--threads", "1"]);
    sweep(&["--out", "b", "--shard", "2/2", "--threads", "2"]);
    refused(at, &["sweep", "merge", "a", "--out", "half"], &["half", "chunks"]);
    let merged = supple(at, &["sweep", "merge", "a", "b", "--out", "merged", "--json"]);
    assert_eq!(merged.stdout, whole);
    for file in ["runs.parquet", "comparison.json", "report.html"] {
        assert!(
            std::fs::read(at.join("whole").join(file)).unwrap() == std::fs::read(at.join("merged").join(file)).unwrap()
        );
    }
    refused(at, &["sweep", "--scenarios", "demo", "--seeds", "0..7", "--out", "whole"], &["another sweep"]);
}

#[test]
fn a_fleet_is_simulated_swept_and_refused_where_it_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let run = ["simulate", "--scenario", "two-models", "--ladder", "reference", "--report", "report", "--json"];
    let output = supple(at, &run);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let models: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["often", "heavy", "often", "heavy"]);
    assert_eq!(report["machines"][1]["machine"], "host");
    assert!(std::fs::read_to_string(at.join("report").join("report.html")).unwrap().contains("host"));
    let sweep = ["sweep", "--scenarios", "preempted", "--seeds", "0..2", "--duration", "2", "--out", "swept", "--json"];
    let output = supple(at, &sweep);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(at.join("swept").join("machines.parquet").exists());
    let small = "name = \"small\"\nduration_s = 0.5\n[[machine]]\nname = \"a\"\n[[model]]\nname = \"m\"\n";
    std::fs::write(at.join("small.toml"), small).unwrap();
    let regret = ["simulate", "--scenario", "small.toml", "--ladder", "reference", "--regret", "--json"];
    let report: serde_json::Value = serde_json::from_slice(&supple(at, &regret).stdout).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["regret"].as_f64().unwrap() >= 0.0));
    assert_eq!(runs.last().unwrap()["policy"], "best-found");
    refused(at, &["serve", "--scenario", "two-models", "--ladder", "reference"], &["two-models", "a fleet"]);
}

#[test]
fn a_trace_file_is_written_for_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        ["simulate", "--scenario", "demo", "--ladder", "reference", "--regret", "--perfetto", "trace.json", "--json"];
    let output = supple(folder.path(), &run);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let bytes = std::fs::read(folder.path().join("trace.json")).unwrap();
    let trace: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 100);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = report["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["regret"].as_f64().unwrap() >= 0.0));
    assert_eq!(runs.last().unwrap()["policy"], "oracle");
}

#[test]
fn sensitivity_measures_every_site_and_the_ladder_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let output = supple(at, &["sensitivity", "--rows", "40", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sites = found["sites"].as_array().unwrap();
    assert_eq!(sites.len(), Model::demo().unwrap().elastic().analysis().sites.len());
    assert!(sites.iter().all(|site| site["alone"].as_array().unwrap().iter().all(|alone| alone["nats"].is_number())));
    let is_of_weights = |site: &&serde_json::Value| {
        let name = site["site"].as_str().unwrap();
        !name.ends_with(".gradient") && !name.ends_with(".inputs")
    };
    let scored = |site: &serde_json::Value| site["alone"][0]["proxies"][0].as_f64() > Some(0.0);
    assert!(sites.iter().filter(is_of_weights).all(scored));
    assert_eq!(found["rows"], 40);
    assert_eq!(found["stamp"]["data"], "glyphs");
    let mut other = found.clone();
    other["stamp"]["weights"] = "0".into();
    std::fs::write(at.join("other.json"), other.to_string()).unwrap();
    refused(at, &["ladder", "--batch", "1", "--sensitivity", "other.json"], &["other.json", "weights 0"]);
}

#[test]
fn an_analysis_is_shown_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |form: &[&str]| {
        let output = supple(folder.path(), &[&["analyze", "chars"], form].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let report: serde_json::Value = serde_json::from_str(&shown(&["--json"])).unwrap();
    let operators = report["operators"].as_array().unwrap();
    assert!(report["macs"].as_u64() > Some(0) && report["params"].as_u64() > Some(0));
    assert!(operators.iter().all(|operator| !operator["verdicts"].as_array().unwrap().is_empty()));
    assert!(shown(&[]).contains("verdict"));
    assert!(shown(&["--dot"]).starts_with("digraph"));
    let page = shown(&["--html"]);
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("http"));
    std::fs::write(folder.path().join("cut.onnx"), [8, 8, 58]).unwrap();
    refused(folder.path(), &["analyze", "cut.onnx"], &["cut.onnx"]);
    std::fs::write(folder.path().join("cut.json"), "{\"name\": 3}").unwrap();
    refused(folder.path(), &["analyze", "cut.json"], &["cut.json"]);
}

#[test]
fn bench_analyze_prints_a_line_for_each_size() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cut.onnx"), [8, 8, 58]).unwrap();
    let output = supple(folder.path(), &["bench", "analyze", "--largest", "10000", "--models", ".", "--json"]);
    let lines = text(&output.stdout);
    let figures: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(figures.len(), 2, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("cut.onnx"));
    let whole = |line: &serde_json::Value| line["ms"].is_number() && line["peak_bytes"].as_u64() > Some(0);
    assert!(figures.iter().all(|line| whole(line) && line["operators"].as_u64() >= Some(1000)));
}
