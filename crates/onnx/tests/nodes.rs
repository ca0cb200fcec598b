//! Every operator that the importer knows, on tiny models: the graph's own `eval` equals what onnxruntime computes.
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use supple_graph::{Array, Graph, Weights};
use supple_onnx::{Options, parse, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes")
}

fn expected() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn array(stored: &Value) -> Array {
    let shape = stored["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
    let data = stored["data"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32);
    Array::new(shape.collect(), data.collect()).unwrap()
}

fn arrays(stored: &Value) -> Vec<Array> {
    stored.as_array().unwrap().iter().map(array).collect()
}

fn model(name: &str) -> supple_onnx::Result<(Graph, Weights)> {
    read(folder().join(format!("{name}.onnx")), &Options::default())
}

/// What is wrong with one model, if anything.
fn fault(name: &str, case: &Value) -> Option<String> {
    let (graph, weights) = match model(name) {
        Ok(read) => read,
        Err(error) => return Some(error.to_string()),
    };
    if let Err(error) = graph.check() {
        return Some(format!("{name}: {error}"));
    }
    let outputs = match graph.eval(&weights, &arrays(&case["inputs"])) {
        Ok(outputs) => outputs,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let expected = arrays(&case["outputs"]);
    let size = |array: &Array| array.data().iter().fold(1.0_f32, |top, v| top.max(v.abs()));
    let equal = |(a, b): (&Array, &Array)| a.distance(b) <= 1e-5 * f64::from(size(b));
    let fits = outputs.len() == expected.len() && outputs.iter().zip(&expected).all(equal);
    (!fits).then(|| format!("{name}: {outputs:?}, expected {expected:?}"))
}

#[test]
fn every_operator_computes_what_onnxruntime_computes() {
    let faults: Vec<String> = expected().iter().filter_map(|(name, case)| fault(name, case)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn facts_are_the_shapes_of_what_is_computed() {
    for (name, case) in expected() {
        let (graph, _) = model(&name).unwrap();
        let facts = graph.outputs().iter().map(|&value| graph.fact(value).unwrap().shape_at(1)).collect::<Vec<_>>();
        let shapes = arrays(&case["outputs"]).iter().map(|array| array.shape().to_vec()).collect::<Vec<_>>();
        assert_eq!(facts, shapes, "{name}");
    }
}

#[test]
fn known_parts_disappear_from_the_graph() {
    let (graph, _) = model("folded").unwrap();
    let names: Vec<&str> = graph.ids().map(|id| graph.node(id).name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let (graph, _) = model("shapes").unwrap();
    assert!(graph.ids().all(|id| ["input", "reshape", "constant", "div"].contains(&graph_op(&graph, id))));
}

fn graph_op(graph: &Graph, id: supple_graph::NodeId) -> &'static str {
    use supple_graph::Operator;
    graph.node(id).op.name()
}

#[test]
fn weights_keep_their_names() {
    let (graph, weights) = model("gemm_trans_b").unwrap();
    let names: Vec<&str> = graph.parameter_ids().into_iter().map(|id| graph.node(id).name.as_str()).collect();
    assert_eq!(names, ["c0", "c1"]);
    assert_eq!(weights.len(), 2);
}

#[test]
fn a_file_cut_short_is_an_error_everywhere() {
    let bytes = std::fs::read(folder().join("lstm_bidirectional.onnx")).unwrap();
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length], &Options::default()).is_err(), "cut at {length}");
    }
}
