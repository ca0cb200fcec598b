//! Reads real models, where they are: in the folder `onnx` under `$SUPPLE_DATA`, or beside the workspace.
use serde_json::Value;
use std::path::{Path, PathBuf};
use supple_graph::{Array, Graph, Weights};
use supple_onnx::{Options, read};

/// The folder of the models; says so when it is absent.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("SUPPLE_DATA").map_or_else(beside, PathBuf::from);
    let dir = root.join("onnx");
    if !dir.is_dir() {
        println!("skipped: no folder {}", dir.display());
        return None;
    }
    Some(dir)
}

fn expected() -> serde_json::Map<String, Value> {
    serde_json::from_str(include_str!("expected/models.json")).unwrap()
}

fn model(folder: &Path, name: &str) -> (Graph, Weights) {
    read(folder.join(name), &Options::default().with_length("sequence", 512)).unwrap_or_else(|error| panic!("{error}"))
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.parameter_ids().into_iter().map(|id| graph.node(id).name.as_str()).collect()
}

/// Floats in [-1, 1): SplitMix64 (Steele et al., 2014), seeded by the FNV-1a hash of the name.
fn fill(name: &str, shape: &[usize]) -> Array {
    let hash = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    let draw = |i: u64| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Array::new(shape.to_vec(), (1..=shape.iter().product::<usize>() as u64).map(draw).collect()).unwrap()
}

fn shape(stored: &Value) -> Vec<usize> {
    stored["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

#[test]
fn every_model_is_read_and_has_the_outputs_that_onnxruntime_gives() {
    let Some(folder) = folder() else { return };
    for (name, case) in expected() {
        let (graph, weights) = model(&folder, &name);
        graph.check().unwrap();
        assert_eq!(graph.parameter_ids().len(), weights.len(), "{name}");
        let batch = if name.starts_with("silero") { 2 } else { 1 };
        let facts = graph.outputs().iter().map(|&value| graph.fact(value).unwrap().shape_at(batch)).collect::<Vec<_>>();
        let shapes = case["outputs"].as_array().unwrap().iter().map(shape).collect::<Vec<_>>();
        assert_eq!(facts, shapes, "{name}");
    }
}

#[test]
fn small_models_compute_what_onnxruntime_computes() {
    let Some(folder) = folder() else { return };
    for name in ["wonnx_opt-mnist.onnx", "burn_mnist.onnx", "silero_vad_16k_op15.onnx"] {
        let (graph, weights) = model(&folder, name);
        let case = &expected()[name];
        let input = |input: &Value| match input["value"].as_f64() {
            Some(value) => Array::full(&shape(input), value as f32),
            None => fill(input["name"].as_str().unwrap(), &shape(input)),
        };
        let inputs: Vec<Array> = case["inputs"].as_array().unwrap().iter().map(input).collect();
        let outputs = graph.eval(&weights, &inputs).unwrap();
        for (output, expected) in outputs.iter().zip(case["outputs"].as_array().unwrap()) {
            let size = output.data().iter().fold(0.0_f64, |top, v| top.max(f64::from(v.abs())));
            for (&found, expected) in output.data().iter().zip(expected["first"].as_array().unwrap()) {
                let error = (f64::from(found) - expected.as_f64().unwrap()).abs() / size;
                assert!(error < 1e-4, "{name}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn weights_have_the_names_that_they_had_before_the_export() {
    let Some(folder) = folder() else { return };
    let (graph, _) = model(&folder, "vit_b_16.onnx.gz");
    let names = names(&graph);
    for layer in 0..12 {
        for part in [
            "self_attention.in_proj_weight",
            "self_attention.out_proj.weight",
            "mlp.0.weight",
            "mlp.3.weight",
            "mlp.3.bias",
        ] {
            let name = format!("encoder.layers.encoder_layer_{layer}.{part}");
            assert!(names.contains(&name.as_str()), "{name} of {names:?}");
        }
    }
}

#[test]
fn what_is_quantised_is_refused_by_the_name_of_the_operator() {
    let Some(folder) = folder() else { return };
    for name in ["tract_qlstm.onnx", "tract_qtdnn_i32_biases.onnx"] {
        let error = read(folder.join(name), &Options::default()).unwrap_err();
        assert!(error.operator().is_some() && error.node().is_some(), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_length_that_is_open_has_to_be_given() {
    let Some(folder) = folder() else { return };
    let error = read(folder.join("silero_vad_16k_op15.onnx"), &Options::default()).unwrap_err();
    assert_eq!(error.kind(), supple_onnx::ErrorKind::Unknown);
    assert!(error.to_string().contains("`sequence`"), "{error}");
}
