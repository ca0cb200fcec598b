//! Real ONNX models, through the executor: what comes out is what onnxruntime computes.
//!
//! `crates/onnx/tests/expected/make_models.py` made the expected numbers; the models are read from the folder `onnx` under `$SUPPLE_DATA`, or beside
//! the workspace.
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use supple_executor::{Backend, Executor};
use supple_graph::{Array, Elastic};
use supple_onnx::Options;

/// Relative to the largest element of an output.
const TOLERANCE: f64 = 1e-4;

/// The folder of the models; says so when it is absent.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("SUPPLE_DATA").map_or_else(beside, PathBuf::from);
    let dir = root.join("onnx");
    if !dir.is_dir() {
        println!("skipped: no folder {}", dir.display());
        return None;
    }
    Some(dir)
}

fn expected() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("../../crates/onnx/tests/expected/models.json")).unwrap()
}

/// Floats in [-1, 1): SplitMix64 (Steele et al., 2014), seeded by the FNV-1a hash of the name.
fn fill(name: &str, count: usize) -> impl Iterator<Item = f32> + use<> {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    (1..=count as u64).map(move |i| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// Vectors are near one when they scale and near zero else; tensors keep the size of what passes through them.
fn weights(name: &str, shape: &[u64]) -> Vec<f32> {
    let count: u64 = shape.iter().product();
    let drawn = fill(name, count as usize);
    if shape.len() <= 1 {
        let offset = if name.ends_with("weight") || name.ends_with("var") { 1.0 } else { 0.0 };
        return drawn.map(|u| u * 0.1 + offset).collect();
    }
    let fan: u64 = if let [a, b] = *shape { a.max(b) } else { shape[1..].iter().product() };
    let scale = (6.0 / fan as f64).sqrt() as f32;
    drawn.map(|u| u * scale).collect()
}

/// A field of a protobuf message: its number, its whole number, and where its bytes stand.
struct Field {
    number: u64,
    value: u64,
    bytes: std::ops::Range<usize>,
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(bytes: &[u8], within: std::ops::Range<usize>) -> Vec<Field> {
    let mut at = within.start;
    let mut found = Vec::new();
    while at < within.end {
        let tag = varint(bytes, &mut at);
        let value = if matches!(tag & 7, 0 | 2) { varint(bytes, &mut at) } else { 0 };
        let length = [0, 8, value as usize, 0, 0, 4][(tag & 7) as usize];
        found.push(Field { number: tag >> 3, value, bytes: at..at + length });
        at += length;
    }
    found
}

/// Draws the weights of a file in their place: all its tensors of several floats.
fn fill_file(bytes: &mut [u8]) {
    let model = fields(bytes, 0..bytes.len());
    let graph = model.iter().find(|field| field.number == 7).unwrap().bytes.clone();
    for tensor in fields(bytes, graph).into_iter().filter(|field| field.number == 5) {
        let parts = fields(bytes, tensor.bytes);
        let shape: Vec<u64> = parts.iter().filter(|field| field.number == 1).map(|field| field.value).collect();
        let data_type = parts.iter().find(|field| field.number == 2).map_or(0, |field| field.value);
        let name = parts.iter().find(|field| field.number == 8).unwrap().bytes.clone();
        let name = std::str::from_utf8(&bytes[name]).unwrap().to_owned();
        let Some(raw) = parts.iter().find(|field| field.number == 9) else { continue };
        if data_type == 1 && shape.iter().product::<u64>() > 1 {
            let drawn = weights(&name, &shape).into_iter().flat_map(f32::to_le_bytes);
            bytes[raw.bytes.clone()].iter_mut().zip(drawn).for_each(|(old, new)| *old = new);
        }
    }
}

fn file(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let packed = std::mem::take(&mut bytes);
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    }
    bytes
}

fn shape(of: &Value) -> Vec<usize> {
    of["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// The inputs of a step: given, drawn by their names, or left by the step before.
fn inputs(case: &Value, step: usize, last: &[Array]) -> Vec<Array> {
    let one = |input: &Value| {
        let (name, shape) = (input["name"].as_str().unwrap(), shape(input));
        match (input["value"].as_f64(), case["state"][name].as_u64()) {
            (Some(value), _) => Array::full(&shape, value as f32),
            (_, Some(at)) if step > 0 => last[at as usize].clone(),
            _ => {
                let name = if step > 0 { format!("{name} {step}") } else { name.to_owned() };
                Array::new(shape.clone(), fill(&name, shape.iter().product()).collect()).unwrap()
            }
        }
    };
    case["inputs"].as_array().unwrap().iter().map(one).collect()
}

/// The largest relative error of what is known of an output.
fn error(output: &Array, expected: &Value) -> f64 {
    assert_eq!(output.shape(), shape(expected));
    let data: Vec<f64> = output.data().iter().map(|&v| f64::from(v)).collect();
    let size = data.iter().fold(1e-30, |top: f64, v| top.max(v.abs()));
    let first = expected["first"].as_array().unwrap().iter().zip(&data).map(|(e, v)| (e.as_f64().unwrap() - v).abs());
    let mean = data.iter().sum::<f64>() / data.len() as f64 - expected["mean"].as_f64().unwrap();
    let norm = data.iter().map(|v| v * v).sum::<f64>().sqrt() - expected["norm"].as_f64().unwrap();
    let whole = [mean.abs(), norm.abs() / (data.len() as f64).sqrt()];
    first.chain(whole).fold(0.0, f64::max) / size
}

/// The executor of a file.
fn executor(folder: &Path, name: &str, case: &Value) -> Executor {
    let mut bytes = file(&folder.join(name));
    if case["filled"] == true {
        fill_file(&mut bytes);
    }
    let options = Options::default().with_length("sequence", 512);
    let (graph, weights) = supple_onnx::parse(&bytes, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
    graph.check().unwrap();
    Executor::new(Arc::new(Elastic::new(graph).unwrap()), &weights, Backend::ALL[0]).unwrap()
}

/// The largest relative error of a model's outputs in all steps.
fn worst(folder: &Path, name: &str, case: &Value) -> f64 {
    let executor = executor(folder, name, case);
    let later = case["later"].as_array().into_iter().flatten();
    let (mut last, mut worst) = (Vec::new(), 0.0_f64);
    for (step, expected) in std::iter::once(&case["outputs"]).chain(later).enumerate() {
        last = executor.run_all(&inputs(case, step, &last)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = expected.as_array().unwrap();
        assert_eq!(last.len(), expected.len(), "{name}");
        worst = last.iter().zip(expected).map(|(output, expected)| error(output, expected)).fold(worst, f64::max);
    }
    worst
}

fn check(names: impl Fn(&str) -> bool) {
    let Some(folder) = folder() else { return };
    for (name, case) in expected().iter().filter(|(name, _)| names(name)) {
        let worst = worst(&folder, name, case);
        println!("{name}: {worst:.1e}");
        assert!(worst <= TOLERANCE, "{name}: {worst:.1e} off, expected at most {TOLERANCE:.0e}");
    }
}

#[test]
fn small_models_compute_what_onnxruntime_computes() {
    check(|name| name.ends_with(".onnx"));
}

#[test]
fn architectures_compute_what_onnxruntime_computes() {
    check(|name| name.ends_with(".onnx.gz"));
}

#[test]
fn quantised_models_are_refused_by_the_name_of_the_operator() {
    let Some(folder) = folder() else { return };
    for name in ["tract_qlstm.onnx", "tract_qtdnn_i32_biases.onnx"] {
        let error = supple_onnx::read(folder.join(name), &Options::default()).unwrap_err();
        assert_eq!(error.kind(), supple_onnx::ErrorKind::Unsupported);
        assert!(error.operator().is_some() && error.node().is_some(), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}
