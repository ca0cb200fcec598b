//! Sweeps give the same bytes however they are cut, stopped and put together.
mod common;
use common::{ladder, scenario};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use supple_sim::sweep::{Folder, Row, Shard, Sweep, bootstrap};
use supple_sim::{AnyScenario, Scenario, library};

const DIP: &str =
    "[trace]\nsteps = [[0.0, 1.0], [0.5, 0.3], [1.0, 0.8]]\n[request]\nbatch = 4\ndeadline_services = 3.0\n";
const TRAINING: &str = "[training]\nsteps = 20\nbatch = 4\ndeadline_services = 25.0\n[trace]\nsteps = [[0.0, 0.7]]\n";

fn named(name: &str, tables: &str) -> Scenario {
    let mut scenario = scenario(0, 1.5, tables);
    name.clone_into(&mut scenario.name);
    scenario
}

/// Two models on two machines, of which one goes away.
fn fleet() -> AnyScenario {
    let text = "name = \"fleet\"\nduration_s = 1.0\n[[machine]]\nname = \"a\"\n[[machine]]\nname = \"b\"\n\
                [machine.presence]\ngenerate = { markov = { levels = [1.0, 0.0], mean_s = [0.3, 0.1] } }\n\
                [[model]]\nname = \"m\"\nload = { rate_hz = 60.0 }\n[[model]]\nname = \"n\"\nmachines = [\"b\"]\n\
                training = { steps = 20, batch = 4, deadline_s = 0.9 }\n";
    AnyScenario::parse(text, "fleet.toml").expect("a scenario")
}

fn sweep() -> Sweep {
    Sweep {
        scenarios: vec![named("dip", DIP).into(), named("training", TRAINING).into(), fleet()],
        policies: ["hold", "kalman", "slack"].map(str::to_owned).to_vec(),
        seeds: 5..16,
        ladder: ladder(),
        regret: true,
        events: true,
    }
}

/// Runs a shard in a pool of so many threads; stops after `most` chunks.
fn run(folder: &Path, shard: Shard, threads: usize, most: usize) -> (Folder, bool) {
    let sweep = sweep();
    let folder = Folder::open(folder, sweep.manifest().expect("a manifest")).expect("a folder");
    let made = AtomicUsize::new(0);
    let go_on = |_: usize, _: usize| made.fetch_add(1, Ordering::Relaxed) + 1 < most;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let whole = pool.install(|| sweep.run(&folder, shard, &go_on)).expect("runs");
    (folder, whole)
}

/// All files of a sweep's folder that hold results, by name.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for part in ["", "chunks", "events"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.strip_prefix(folder).expect("inside").to_string_lossy().into_owned();
                found.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

fn finished(folder: &Folder, path: &Path) -> Vec<(String, Vec<u8>)> {
    folder.results().expect("readable").expect("whole").write(path).expect("written");
    bytes(path)
}

#[test]
fn bytes_do_not_depend_on_threads_stops_and_shards() {
    let one = tempfile::tempdir().expect("a folder");
    let (folder, whole) = run(one.path(), Shard::WHOLE, 1, usize::MAX);
    assert!(whole);
    let expected = finished(&folder, one.path());
    let results = folder.results().expect("readable").expect("whole");
    assert_eq!((results.rows.len(), results.machines.len()), ((1 + 1 + 2) * 11 * 3, 2 * 11 * 3));

    let three = tempfile::tempdir().expect("a folder");
    let (folder, _) = run(three.path(), Shard::WHOLE, 3, usize::MAX);
    assert!(finished(&folder, three.path()) == expected, "threads");

    let stopped = tempfile::tempdir().expect("a folder");
    let (folder, whole) = run(stopped.path(), Shard::WHOLE, 1, 1);
    assert!(!whole && folder.results().expect("readable").is_none() && folder.done() == 1);
    fs::write(stopped.path().join("chunks").join(".supple-half"), "[").expect("what a kill leaves behind");
    let (folder, whole) = run(stopped.path(), Shard::WHOLE, 2, usize::MAX);
    fs::remove_file(stopped.path().join("chunks").join(".supple-half")).expect("removed");
    assert!(whole);
    assert!(finished(&folder, stopped.path()) == expected, "stops");

    let merged = tempfile::tempdir().expect("a folder");
    let whole = Folder::open(merged.path(), sweep().manifest().expect("a manifest")).expect("a folder");
    for shard in ["1/2", "2/2"] {
        let part = tempfile::tempdir().expect("a folder");
        let (folder, all_of_it) = run(part.path(), shard.parse().expect("a shard"), 2, usize::MAX);
        assert!(all_of_it && folder.results().expect("readable").is_none());
        whole.take(&Folder::read(part.path()).expect("a sweep")).expect("taken");
    }
    assert!(finished(&whole, merged.path()) == expected, "shards");
}

#[test]
fn a_folder_of_another_sweep_is_refused_and_says_what_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |sweep: Sweep| Folder::open(folder.path(), sweep.manifest()?).map(drop);
    open(sweep()).expect("a folder");
    open(sweep()).expect("the same");
    let message = |sweep: Sweep| open(sweep).expect_err("another").to_string();
    assert!(message(Sweep { seeds: 0..16, ..sweep() }).contains("other seeds"));
    let other =
        Sweep { scenarios: vec![named("dip", TRAINING).into(), named("training", DIP).into(), fleet()], ..sweep() };
    assert!(message(other).contains("other content of scenarios"));
    assert!(message(Sweep { policies: vec!["best".into()], ..sweep() }).contains("\"best\": expected one of"));
    assert!(message(Sweep { seeds: 3..3, ..sweep() }).contains("0 seeds: expected at least one of each"));
    let twice = Sweep { scenarios: vec![named("dip", DIP).into(), named("dip", TRAINING).into()], ..sweep() };
    assert!(message(twice).contains("dip: expected each name once"));
}

#[test]
fn shards_are_parts() {
    for text in ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", ""] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
    let shards: Vec<Shard> = (1..=3).map(|i| format!("{i}/3").parse().expect("a shard")).collect();
    assert!((0..100).all(|chunk| shards.iter().filter(|shard| shard.has(chunk)).count() == 1));
}

#[test]
fn the_table_reads_back_as_the_rows() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let folder = tempfile::tempdir().expect("a folder");
    let (done, _) = run(folder.path(), Shard::WHOLE, 2, usize::MAX);
    done.results().expect("readable").expect("whole").write(folder.path()).expect("written");
    let file = fs::File::open(folder.path().join("runs.parquet")).expect("a file");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let rows: Vec<Row> = done.results().expect("readable").expect("whole").rows;
    let mut found = 0;
    for (record, row) in reader.get_row_iter(None).expect("rows").zip(&rows) {
        let record = record.expect("a row");
        assert_eq!(record.get_string(0).expect("scenario"), &row.scenario);
        assert_eq!(record.get_long(1).expect("seed") as u64, row.seed);
        assert_eq!(record.get_string(2).expect("policy"), &row.policy);
        assert_eq!(record.get_double(8).expect("right in time").to_bits(), row.right_in_time.to_bits());
        assert_eq!(record.get_double(10).ok(), row.regret);
        assert_eq!(record.get_string(17).ok(), row.model.as_ref());
        assert_eq!(record.get_double(16).expect("took").to_bits(), row.took_s.to_bits());
        // What a run is worth is a sum of numbers that are rounded.
        assert!(row.model.is_some() || row.regret.is_some_and(|regret| regret >= -1e-12), "{row:?}");
        found += 1;
    }
    assert_eq!(found, rows.len());
    let file = fs::File::open(folder.path().join("machines.parquet")).expect("a file");
    let machines = SerializedFileReader::new(file).expect("a Parquet file");
    assert_eq!(machines.metadata().file_metadata().num_rows(), 2 * 11 * 3);
}

proptest! {
    #[test]
    fn a_bootstrap_interval_holds_the_mean_and_stays_within_the_values(values in prop::collection::vec(-9.0..9.0f64, 1..40)) {
        let interval = bootstrap(&values, "x");
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        prop_assert!(low - 1e-9 <= interval.low && interval.high <= high + 1e-9);
        prop_assert!(interval.low <= interval.mean + 1e-9 && interval.mean <= interval.high + 1e-9);
        prop_assert_eq!(interval, bootstrap(&values, "x"));
    }
}

#[test]
fn a_bootstrap_interval_is_as_wide_as_theory_says() {
    let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
    let sd = (values.iter().map(|v| (v - 9.5f64).powi(2)).sum::<f64>() / 400.0).sqrt();
    let interval = bootstrap(&values, "theory");
    let half = 1.96 * sd / 20.0;
    assert!((interval.high - interval.low - 2.0 * half).abs() < 0.2 * half, "{interval:?} {half}");
}

#[test]
fn the_shipped_ladder_runs_every_shipped_scenario_without_files() {
    let ladder = library::ladder().expect("a ladder");
    let shipped =
        library::ALL.iter().map(|shipped| AnyScenario::parse(shipped.text, shipped.name).expect("a scenario"));
    let scenarios: Vec<AnyScenario> =
        shipped.filter(|s| !s.needs_files()).map(|s| s.lasting(2.0).expect("a length")).collect();
    assert!(scenarios.len() > 8);
    let all = Sweep { scenarios, ladder, seeds: 0..1, regret: false, events: false, ..sweep() };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = Folder::open(folder.path(), all.manifest().expect("a manifest")).expect("a folder");
    assert!(all.run(&folder, Shard::WHOLE, &|_, _| true).expect("runs"));
}
