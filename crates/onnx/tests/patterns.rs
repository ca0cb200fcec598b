//! The ways in which architectures couple channels, on small models that PyTorch exported: outputs, groups, and the law of settings.
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use supple_graph::{Array, Density, Elastic, Group, Op, Setting, SiteId, Weights};
use supple_onnx::{Options, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patterns")
}

fn numbers(stored: &Value) -> Vec<f32> {
    stored.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// The input of all models, and what is expected of each.
fn expected() -> (Array, BTreeMap<String, Value>) {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let mut stored: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let thousandths = numbers(&stored.remove("x").unwrap());
    let x = thousandths.into_iter().map(|v| v / 1000.0).collect();
    (Array::new(vec![1, 3, 8, 8], x).unwrap(), stored)
}

fn model(name: &str) -> (Elastic, Weights) {
    let (graph, weights) = read(folder().join(format!("{name}.onnx")), &Options::default()).unwrap();
    (Elastic::new(graph).unwrap(), weights)
}

#[test]
fn they_compute_what_pytorch_computes() {
    let (x, all) = expected();
    for (name, expected) in all {
        let (elastic, weights) = model(&name);
        let y = &elastic.graph().eval(&weights, std::slice::from_ref(&x)).unwrap()[0];
        let expected = Array::new(y.shape().to_vec(), numbers(&expected["y"])).unwrap();
        assert!(y.distance(&expected) < 1e-4, "{name}: {y:?}, expected {expected:?}");
    }
}

#[test]
fn each_sample_is_computed_for_itself() {
    let (x, all) = expected();
    let twice = Array::new(vec![2, 3, 8, 8], x.data().repeat(2)).unwrap();
    let models = all.keys().map(|name| (name, model(name)));
    let is_open = |elastic: &Elastic| elastic.graph().node(elastic.graph().input_ids()[0]).facts[0].shape[0].is_batch();
    let mut open = 0;
    for (name, (elastic, weights)) in models.filter(|(_, (elastic, _))| is_open(elastic)) {
        let y = |x: &Array| elastic.graph().eval(&weights, std::slice::from_ref(x)).unwrap().remove(0);
        let (one, two) = (y(&x), y(&twice));
        let expected = Array::new(two.shape().to_vec(), one.data().repeat(2)).unwrap();
        assert!(two.shape()[0] == 2 && two.distance(&expected) < 1e-5, "{name}: {two:?}, expected {expected:?}");
        open += 1;
    }
    assert!(open >= 4, "{open} models with an open batch");
}

/// Width, and the names of the weights that lose outputs and inputs.
type Coupled = (u64, BTreeSet<String>, BTreeSet<String>);

fn coupled(group: &Group) -> Coupled {
    let names = |names: &[String]| names.iter().cloned().collect();
    (group.width as u64, names(&group.out), names(&group.r#in))
}

fn expected_group(group: &Value) -> Coupled {
    let names = |side: &str| group[side].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    (group["width"].as_u64().unwrap(), names("out"), names("in"))
}

#[test]
fn groups_are_those_of_torch_pruning() {
    for (name, expected) in expected().1 {
        let Some(expected) = expected["groups"].as_array() else { continue };
        let expected: BTreeSet<Coupled> = expected.iter().map(expected_group).collect();
        let found: BTreeSet<Coupled> = model(&name).0.analysis().groups.iter().map(coupled).collect();
        let (missing, extra) = (expected.difference(&found).next(), found.difference(&expected).next());
        assert!(missing.is_none() && extra.is_none(), "{name}: missing {missing:?}, unexpected {extra:?}");
    }
}

#[test]
fn attention_is_one_operator_however_it_was_written() {
    for name in ["attention", "projections", "shifted", "named"] {
        let (elastic, _) = model(name);
        let graph = elastic.graph();
        let count = |is: fn(&Op) -> bool| graph.ids().filter(|&id| is(&graph.node(id).op)).count();
        assert_eq!(count(|op| matches!(op, Op::Attention(_))), 1, "{name}");
        assert_eq!(count(|op| matches!(op, Op::Softmax(_))), 0, "{name}");
    }
}

/// Settings that leave out more and more, at all sites alike and at one after the other.
fn settings(elastic: &Elastic) -> Vec<Setting> {
    let density = |per_mille| Density::new(per_mille).unwrap();
    let analysis = elastic.analysis();
    let alike = [800, 500, 300, 1].map(|per_mille| analysis.uniform(density(per_mille)));
    let alone = (0..analysis.sites.len()).map(|site| analysis.dense().with(SiteId(site), density(400)));
    alike.into_iter().chain(alone).collect()
}

#[test]
fn what_is_left_out_equals_what_is_zero() {
    let (x, all) = expected();
    let inputs = std::slice::from_ref(&x);
    for name in all.keys() {
        let (elastic, weights) = model(name);
        assert!(!elastic.analysis().sites.is_empty(), "{name} has no site");
        for setting in settings(&elastic) {
            let masked = elastic.eval_masked(&weights, inputs, &setting).unwrap();
            let shrunk = elastic.shrink(&setting).unwrap();
            shrunk.check().unwrap();
            let left = elastic.shrink_weights(&weights, &setting).unwrap();
            let shrunk = shrunk.eval(&left, inputs).unwrap();
            assert!(masked[0].distance(&shrunk[0]) < 1e-4, "{name} at {setting:?}: {masked:?}, {shrunk:?}");
        }
    }
}
