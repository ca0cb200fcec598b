//! The recordings that the importers are for, where they are at hand: in the folder that `SUPPLE_TRACES` names, else in `../shared/traces` beside the
//! repository. What is counted here stands in the recordings' own notes.
use std::path::{Path, PathBuf};
use supple_sim::Noted;
use supple_sim::format::{Content, Gaps, ReadOptions, Times};
use supple_sim::formats::read;
use supple_sim::{End, Events, Measurements, Trace, Unit};
use supple_strategy::Nanos;

/// The folder, or a word that the test is skipped.
fn folder(part: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    let folder = std::env::var_os("SUPPLE_TRACES").map_or(beside, PathBuf::from).join(part);
    if !folder.is_dir() {
        eprintln!("skipped: no {part} in SUPPLE_TRACES");
        return None;
    }
    Some(folder)
}

fn file(path: PathBuf, options: &ReadOptions) -> Noted<Content> {
    read(&path, options).unwrap_or_else(|error| panic!("{error}"))
}

fn strict(path: PathBuf) -> Noted<Content> {
    file(path, &ReadOptions::default())
}

fn traces(noted: Noted<Content>) -> Vec<(String, Trace)> {
    match noted.value {
        Content::Traces(traces) => traces,
        other => panic!("traces, found {}", other.what()),
    }
}

fn events(path: PathBuf) -> Events {
    strict(path).value.into_events().expect("events")
}

fn table(path: PathBuf) -> Measurements {
    strict(path).value.into_measurements().expect("measurements")
}

fn entries(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    found.sort();
    found
}

#[test]
fn nab() {
    let Some(folder) = folder("nab") else { return };
    let sorted = ReadOptions { times: Times::Sort, gaps: Gaps::Hold, ..ReadOptions::default() };
    let (mut refused, mut count) = (Vec::new(), 0);
    for path in entries(&folder, "csv") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if let Err(error) = read(&path, &ReadOptions::default()) {
            refused.push((name, error.to_string()));
        }
        let trace = file(path, &sorted).value.into_trace(None).expect("a trace");
        assert!(trace.points().len() > 1000);
        count += 1;
    }
    assert_eq!(count, 23);
    let names: Vec<&str> = refused.iter().map(|refused| refused.0.as_str()).collect();
    let expected = [
        "ambient_temperature_system_failure",
        "ec2_disk_write_bytes_1ef3de",
        "ec2_network_in_5abac7",
        "ec2_request_latency_system_failure",
        "machine_temperature_system_failure",
    ];
    assert_eq!(names, expected);
    assert!(refused[4].1.contains("the time goes back (by 3300 s)"), "{}", refused[4].1);
    assert!(refused.iter().all(|(_, error)| error.contains(".csv: line ") && error.contains(", column 1: ")));
    let trace =
        strict(folder.join("cpu_utilization_asg_misconfiguration.csv")).value.into_trace(None).expect("a trace");
    assert_eq!((trace.points().len(), trace.unit()), (18_050, Unit::Percent));
    assert!((trace.length().seconds() / 86_400.0 - 62.7).abs() < 0.05);
}

#[test]
fn azure_vm_noise() {
    let Some(folder) = folder("azure-vm-noise-2024") else { return };
    for (name, rows) in [("sysbench_cpu", 49_530), ("mlc_max_bw_all_reads", 49_506)] {
        let path = folder.join(name).with_extension("csv");
        let error = read(&path, &ReadOptions::default()).expect_err("months without a sample").to_string();
        assert!(error.contains(", column 4: ") && error.contains("expected at most 10 usual steps"), "{error}");
        let noted = file(path, &ReadOptions { gaps: Gaps::Close, ..ReadOptions::default() });
        let traces = traces(noted);
        assert_eq!(traces.len(), 12);
        assert_eq!(traces.iter().map(|(_, trace)| trace.points().len()).sum::<usize>(), rows);
    }
    let series = Some("westus2/D8s_v5/0".to_string());
    let noted =
        file(folder.join("sysbench_cpu.csv"), &ReadOptions { series, gaps: Gaps::Hold, ..ReadOptions::default() });
    let values: Vec<f64> =
        noted.value.into_trace(None).expect("a trace").points().iter().map(|point| point.1).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    assert!(variance.sqrt() / mean < 0.01, "cycles are stable");
}

#[test]
fn opendc() {
    let Some(folder) = folder("opendc") else { return };
    let noted = strict(folder.join("bitbrains.csv"));
    assert!(noted.notes.iter().any(|note| note.text.contains("taken as seconds")));
    let columns = traces(noted);
    assert_eq!((columns.len(), columns[0].1.points().len()), (10, 8_619));
    assert!((columns[0].1.length().seconds() / 86_400.0 - 30.0).abs() < 0.1);

    let fragments = traces(strict(folder.join("bitbrains-small/fragments.parquet")));
    let rows = |traces: &[(String, Trace)]| traces.iter().map(|(_, trace)| trace.points().len()).sum::<usize>();
    assert_eq!((fragments.len(), rows(&fragments)), (50, 276_979));
    let states = traces(strict(folder.join("bitbrains-small-main-trace.parquet")));
    assert_eq!((states.len(), rows(&states)), (50, 276_979));
    for (name, trace) in &fragments {
        let same = &states.iter().find(|(other, _)| other == name).expect("the same machine").1;
        assert_eq!(trace.points()[0].1, same.points()[0].1, "{name}");
    }
    let tasks = events(folder.join("bitbrains-small/tasks.parquet"));
    assert_eq!(tasks.len(), 50);
    let intensities = |name: &str| strict(folder.join(name)).value.into_trace(None).expect("a trace");
    let france = intensities("carbonTraces/2022-01-01_2022-12-31_FR.parquet");
    assert_eq!((france.points().len(), france.unit()), (8_735, Unit::CarbonIntensity));
    assert_eq!(intensities("carbonTraces/2022-01-01_2022-12-31_NL.parquet").points().len(), 34_944);
    assert_eq!(intensities("carbon_traces/NL_2021-2024.parquet").points().len(), 35_064);
    for (name, count) in [("Facebook", 4_069), ("Instagram", 3_926), ("Netflix", 3_388)] {
        let outages = events(folder.join(format!("failure_traces/{name}_user_reported.parquet")));
        assert_eq!(outages.len(), count);
        let up = outages.into_trace().expect("a share");
        assert!(up.unit() == Unit::Share && up.points().iter().any(|point| point.1 == 1.0));
    }
}

#[test]
fn surf() {
    let Some(folder) = folder("opendc/surf_week") else { return };
    assert_eq!(events(folder.join("tasks.parquet")).len(), 6_295);
    let jobs = traces(strict(folder.join("fragments.parquet")));
    assert_eq!(jobs.iter().map(|(_, trace)| trace.points().len()).sum::<usize>(), 2_323_475);
}

#[test]
fn azure_llm() {
    let Some(folder) = folder("azure-llm-inference-2023") else { return };
    for (name, count, span, variation, tokens) in
        [("code", 8_819, 3_436, 13.2, 2048), ("conv", 19_366, 3_502, 1.09, 1155)]
    {
        let events = events(folder.join(format!("AzureLLMInferenceTrace_{name}.csv")));
        assert_eq!((events.len(), events.span().seconds().round() as u64), (count, span));
        let found = events.coefficient_of_variation().expect("a spread");
        assert!((found - variation).abs() < 0.01 * variation, "{name}: {found}");
        let context = events.marks().numbers("context_tokens").expect("tokens");
        let mean = context.iter().flatten().sum::<f64>() / count as f64;
        assert_eq!(mean.round() as u32, tokens);
    }
}

#[test]
fn bamboo() {
    let Some(folder) = folder("bamboo-spot") else { return };
    for (name, adds, removes, hours) in [("p3", 177, 167, 11.4), ("g4dn", 79, 74, 10.8)] {
        let events = events(folder.join(format!("{name}-trace.csv")));
        let changes = events.marks().texts("change").expect("changes");
        let count = |what| changes.iter().filter(|change| *change == what).count();
        assert_eq!((count("add"), count("remove")), (adds, removes));
        let seconds = events.times().last().expect("an event").seconds() + if name == "g4dn" { 480.0 } else { 0.0 };
        assert!((seconds / 3600.0 - hours).abs() < 0.05, "{name}: {seconds} s");
        let live = events.into_trace().expect("a count");
        assert_eq!(live.points().last().expect("a point").1, (adds - removes) as f64);
    }
    let live = |name: &str| strict(folder.join(name));
    assert_eq!(live("a100x1-east1b.txt").value.into_trace(None).expect("a trace").points().len(), 268);
    let noted = live("v100x1-east1c.txt");
    assert!(noted.notes.iter().any(|note| note.text.contains("times go back 15 times")), "{:?}", noted.notes);
    assert_eq!(noted.value.into_trace(None).expect("a trace").points().len(), 1_461);
    let mut spans = Vec::new();
    for path in entries(&folder, "csv").into_iter().filter(|path| path.to_string_lossy().contains("aws-spot")) {
        let trace = strict(path).value.into_trace(None).expect("a trace");
        spans.push((trace.points().last().expect("a point").0.seconds() / 3600.0).round());
    }
    assert_eq!(spans, [24.0, 24.0, 13.0, 13.0, 89.0]);
}

#[test]
fn alibaba() {
    let Some(folder) = folder("alibaba-pai-minibatch-2020") else { return };
    for (job, rows) in [(1, 3_000), (3, 2_489), (4, 21_829)] {
        let workers = traces(strict(folder.join(format!("job_{job}_norm.csv"))));
        assert_eq!(workers.len(), 10);
        assert_eq!(workers.iter().map(|(_, trace)| trace.points().len()).sum::<usize>(), rows);
    }
    let second = folder.join("job_2_norm.csv");
    let error = read(&second, &ReadOptions::default()).expect_err("a worker began again").to_string();
    assert!(error.contains(", column 4: 3: the time stays"), "{error}");
    assert_eq!(traces(file(second, &ReadOptions { times: Times::Sort, ..ReadOptions::default() })).len(), 10);
    let jobs = traces(strict(folder.join("coefficient_variation.csv")));
    let mut all: Vec<f64> = jobs.iter().flat_map(|(_, trace)| trace.points().iter().map(|point| point.1)).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(jobs.len(), 100);
    assert!((all[all.len() / 2] - 0.093).abs() < 0.001 && (all[all.len() * 95 / 100] - 1.43).abs() < 0.01);
}

#[test]
fn pollux() {
    let Some(folder) = folder("pollux-osdi21") else { return };
    for application in ["bert", "cifar10", "deepspeech2", "imagenet", "ncf", "yolov3"] {
        let folder = folder.join("traces").join(application);
        assert!(table(folder.join("placements.csv")).rows() >= 540);
        let scalability = table(folder.join("scalability.csv"));
        let curve = scalability.filtered(|row| row % 2 == 0).curve("local_bsz", "step_time").expect("a curve");
        assert!(curve.at(1e9) > 0.0);
        for path in entries(&folder, "csv").into_iter().filter(|path| path.to_string_lossy().contains("validation-")) {
            assert!(table(path).rows() >= 2);
        }
    }
    for name in ["workloads", "workloads-realistic"] {
        for path in entries(&folder.join(name), "csv") {
            assert_eq!(events(path).len(), 160);
        }
    }
}

#[test]
fn zeus() {
    let Some(folder) = folder("zeus-gpu-energy") else { return };
    for (name, rows) in [("v100", 476), ("p100", 270), ("a40", 453), ("rtx6000", 410)] {
        assert_eq!(table(folder.join(format!("summary_power_{name}.csv"))).rows(), rows);
    }
    let noted = strict(folder.join("summary_train.csv"));
    assert!(noted.notes.iter().any(|note| note.text.contains("never reached")));
    let epochs = noted.value.into_measurements().expect("a table");
    let never =
        epochs.numbers("target_epoch").expect("epochs").iter().filter(|epoch| **epoch == Some(f64::INFINITY)).count();
    assert_eq!((epochs.rows(), never), (3_759, 849));
    let profiles = entries(&folder.join("profile_data"), "csv");
    assert_eq!(profiles.len(), 12);
    for path in profiles {
        let caps = table(path).curve("power_limit", "gpu0_energy").expect("a curve");
        assert!(caps.points().len() >= 7);
    }
}

#[test]
fn acme() {
    let Some(folder) = folder("acme-gpu-dc-distributions") else { return };
    let quantiles =
        |name: &str| strict(folder.join("cdf_quantiles.csv")).value.into_quantiles(Some(name)).expect("a distribution");
    let heat = quantiles("gpu_temp_c_kalos");
    assert_eq!((heat.points().len(), heat.quantile(0.5).round(), heat.unit()), (1000, 40.0, Unit::Celsius));
    let power = quantiles("gpu_power_w_kalos");
    assert!((power.quantile(0.5) - 100.0).abs() < 5.0 && (power.level(power.quantile(0.9)) - 0.9).abs() < 0.002);
}

#[test]
fn the_recording_of_our_own() {
    let Some(folder) = folder("local-host-recording") else { return };
    let (seconds, raw) = (traces(strict(folder.join("host_1hz.csv"))), traces(strict(folder.join("raw.csv"))));
    let named = |traces: &[(String, Trace)], name: &str| {
        traces.iter().find(|trace| trace.0 == name).expect("a trace").1.clone()
    };
    let steal = named(&seconds, "steal_pct");
    assert_eq!((seconds.len(), steal.points().len(), steal.length()), (13, 1643, Nanos(1_643_000_000_000)));
    assert!((steal.mean(Nanos::ZERO, steal.length()) - 1.89).abs() < 0.01);
    for (name, most) in
        [("steal_pct", 0.001), ("busy_pct", 0.06), ("psi_cpu_some_pct", 0.2), ("mem_available_mib", 0.06)]
    {
        let (given, derived) = (named(&seconds, name), named(&raw, name));
        let pairs = given.points().iter().zip(derived.points());
        let worst = pairs.map(|(given, derived)| (given.1 - derived.1).abs()).fold(0.0, f64::max);
        assert!(worst < most, "{name}: {worst}");
    }
    assert!(steal.with_end(End::Loop).is_ok());
}

#[test]
fn the_shipped_replay_offers_what_was_recorded() {
    let Some(folder) = folder("azure-llm-inference-2023") else { return };
    let shipped = supple_sim::library::by_name("replayed").expect("a scenario");
    let scenario = supple_sim::Scenario::parse(shipped.text, shipped.name).expect("a scenario");
    let ladder = supple_sim::library::ladder().expect("a ladder");
    let requests = scenario.with_files_in(folder.parent()).lasting(1e4).and_then(|whole| whole.requests(&ladder));
    assert_eq!(requests.expect("requests").len(), 8819);
}

#[test]
fn the_shipped_tokens_are_as_much_work_as_without_sizes() {
    let Some(folder) = folder("azure-llm-inference-2023") else { return };
    let shipped = supple_sim::library::by_name("tokens").expect("a scenario");
    let scenario = supple_sim::Scenario::parse(shipped.text, shipped.name).expect("a scenario");
    let ladder = supple_sim::library::ladder().expect("a ladder");
    let arrivals = scenario.with_files_in(folder.parent()).lasting(1e4).and_then(|whole| whole.arrivals(&ladder));
    let sizes: Vec<f64> = arrivals.expect("arrivals").iter().map(|arrival| arrival.size).collect();
    assert_eq!(sizes.len(), 19366);
    assert!((sizes.iter().sum::<f64>() / sizes.len() as f64 - 1.0).abs() < 1e-9);
    assert!(sizes.iter().copied().fold(0.0, f64::max) > 3.0);
}
