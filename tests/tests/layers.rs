//! The floors of the workspace: who may know whom.
use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// Every package, its folder and its floor: normal dependencies only point downwards.
const FLOORS: [(&str, &str, u32); 10] = [
    ("supple-graph", "crates/graph", 1),
    ("supple-strategy", "crates/strategy", 2),
    ("supple-onnx", "crates/onnx", 2),
    ("supple-kernels", "crates/kernels", 2),
    ("supple-sim", "sim", 3),
    ("supple-executor", "crates/executor", 3),
    ("supple-testkit", "crates/testkit", 4),
    ("supple-models", "models", 4),
    ("supple", "crates/supple", 5),
    ("supple-tests", "tests", 6),
];

/// Packages that may name Burn; the tests stand above all.
const KNOW_BURN: [&str; 3] = ["supple-executor", "supple-models", "supple-tests"];

/// Who must not know whom, though the floors allow it.
const STRANGERS: [(&str, &str); 2] = [("supple-executor", "supple-strategy"), ("supple-sim", "supple-kernels")];

/// Folders whose files are members of one list.
const MEMBERS: [&str; 11] = [
    "crates/graph/src/operators",
    "crates/graph/src/gradients",
    "crates/graph/src/kinds",
    "crates/strategy/src/policies",
    "crates/strategy/src/solvers",
    "crates/kernels/src/kernels",
    "crates/onnx/src/operators",
    "sim/src/formats",
    "sim/src/resources",
    "sim/src/routers",
    "sim/src/workloads",
];

/// Files among the members that are no members: what several of them are built on.
const SHARED: [&str; 1] = ["product"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

fn text(path: &Path) -> String {
    read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> BTreeMap<&'static str, String> {
    FLOORS.iter().map(|&(name, folder, _)| (name, text(&root().join(folder).join("Cargo.toml")))).collect()
}

fn floor(name: &str) -> Option<u32> {
    FLOORS.iter().find(|(package, ..)| *package == name).map(|&(_, _, floor)| floor)
}

/// The normal dependencies that a manifest names.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-") && !line.contains("build-");
            found.extend(line.strip_prefix("[dependencies.").and_then(|rest| rest.strip_suffix(']')));
        } else if inside {
            found.extend(line.split(['.', '=', ' ']).next());
        }
    }
    found
}

/// Every Rust file below a folder, except build outputs.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The words of Rust source, comments and the insides of strings on one line aside.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    let outside = code.split('"').step_by(2);
    outside.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// The first of `names` that a line imports from the folder `list`.
fn sibling<'a>(line: &str, list: &str, names: &'a [String]) -> Option<&'a String> {
    let import = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let crate_path = format!("use crate::{list}::");
    let inside = import.strip_prefix("use super::").or_else(|| import.strip_prefix(&crate_path))?;
    words(inside).find_map(|word| names.iter().find(|name| *name == word))
}

#[test]
fn every_package_has_a_floor() {
    let workspace = text(&root().join("Cargo.toml"));
    let members = workspace.lines().skip_while(|line| !line.starts_with("members")).skip(1);
    let members: Vec<&str> =
        members.take_while(|line| !line.starts_with(']')).map(|line| line.trim_matches([' ', ',', '"'])).collect();
    assert!(!members.is_empty());
    for member in members {
        assert!(FLOORS.iter().any(|&(_, folder, _)| folder == member), "{member} stands on no floor");
    }
    for (package, manifest) in manifests() {
        assert!(manifest.contains(&format!("name = \"{package}\"")), "{package} is not where it should be");
    }
}

#[test]
fn dependencies_point_downwards() {
    for (package, manifest) in manifests() {
        for dependency in dependencies(&manifest) {
            let (upper, lower) = (floor(package), floor(dependency));
            assert!(
                lower.is_none() || lower < upper,
                "{package} must not depend on {dependency}: not on a lower floor"
            );
        }
    }
}

#[test]
fn strangers_stay_strangers() {
    let manifests = manifests();
    for (a, b) in STRANGERS {
        for (package, other) in [(a, b), (b, a)] {
            assert!(!dependencies(&manifests[package]).contains(&other), "{package} must not know {other}");
        }
    }
}

#[test]
fn burn_is_named_only_where_it_runs() {
    for (package, manifest) in manifests() {
        let burn = dependencies(&manifest).into_iter().find(|name| *name == "burn" || name.starts_with("burn-"));
        assert!(burn.is_none() || KNOW_BURN.contains(&package), "{package} must not name {burn:?}");
    }
    let workspace = text(&root().join("Cargo.toml"));
    for line in workspace.lines().filter(|line| line.starts_with("burn")) {
        assert!(line.contains("version = \"="), "not pinned: {line}");
    }
}

#[test]
fn members_never_import_each_other() {
    for folder in MEMBERS.map(|folder| root().join(folder)) {
        let files = sources(&folder);
        let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let names: Vec<String> = files.iter().filter_map(stem).filter(|name| !SHARED.contains(&&**name)).collect();
        let list = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for file in &files {
            let source = text(file);
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let found = code.lines().find_map(|line| sibling(line, &list, &names));
            assert!(found.is_none(), "{} imports its sibling {found:?}", file.display());
        }
    }
}

#[test]
fn unsafe_stands_only_in_kernels() {
    for (package, folder, _) in FLOORS.iter().filter(|(package, ..)| *package != "supple-kernels") {
        for file in sources(&root().join(folder)) {
            let found = text(&file).lines().position(|line| words(line).any(|word| word == "unsafe"));
            assert!(found.is_none(), "{package}: {}:{}", file.display(), found.unwrap_or(0) + 1);
        }
    }
}

#[test]
fn the_rules_see_what_they_forbid() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nburn.workspace = true\nserde = \"1\"\n\n\
                    [dev-dependencies]\nrand = \"1\"\n[dependencies.csv]\nversion = \"1\"\n";
    assert_eq!(dependencies(manifest), ["burn", "serde", "csv"]);
    let names = ["relu".to_owned(), "gelu".to_owned()];
    assert_eq!(sibling("use super::{take, gelu::Gelu};", "operators", &names), Some(&names[1]));
    assert_eq!(sibling("pub use crate::operators::relu::Relu;", "operators", &names), Some(&names[0]));
    assert_eq!(sibling("use super::take;", "operators", &names), None);
    let is_unsafe = |line| words(line).any(|word| word == "unsafe");
    assert!(is_unsafe("    unsafe { read(p) }") && !is_unsafe("// unsafe") && !is_unsafe("let a = \"unsafe\";"));
}
