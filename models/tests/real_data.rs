//! Reads the real data sets, where they are: under `$SUPPLE_DATA`, or beside the workspace.
use std::path::{Path, PathBuf};
use supple_models::{ModelName, load};

/// The folder of a data set; says so when it is absent.
fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("SUPPLE_DATA").map_or_else(beside, PathBuf::from);
    let dir = root.join(name);
    if !dir.is_dir() {
        println!("skipped: no folder {}", dir.display());
        return None;
    }
    Some(dir)
}

#[test]
fn mnist_is_whole() {
    let Some(dir) = folder("mnist") else { return };
    let data = load(ModelName::Cnn, Some(&dir), 0).unwrap();
    assert_eq!((data.train.len(), data.held_out.len(), data.classes), (60_000, 10_000, 10));
    assert_eq!(data.train.targets()[..8], [5, 0, 4, 1, 9, 2, 1, 3]);
    assert_eq!(data.held_out.targets()[..8], [7, 2, 1, 0, 4, 1, 4, 9]);
    let pixels = data.train.inputs();
    let mean = pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / pixels.len() as f64;
    assert!(mean.abs() < 1e-3, "mean {mean}");
}

#[test]
fn tiny_shakespeare_is_whole() {
    let Some(dir) = folder("tiny-shakespeare") else { return };
    let data = load(ModelName::Chars, Some(&dir), 0).unwrap();
    assert_eq!(data.classes, 65);
    assert_eq!(data.train.len() + data.held_out.len(), (1_003_855 - 1) / 64 + (111_539 - 1) / 64);
    let vocabulary = data.vocabulary.unwrap();
    let start: String = data.train.batch(&[0]).input.data().iter().map(|&token| vocabulary[token as usize]).collect();
    assert!(start.starts_with("First Citizen:\nBefore we proceed"));
}
