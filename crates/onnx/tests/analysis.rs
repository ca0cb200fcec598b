//! The analysis of torchvision's architectures against what Torch-Pruning and fvcore say of them, where the folders `data/onnx` and
//! `expected/analysis` lie beside the workspace; says so when it is skipped.
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use supple_graph::operators::Reduction;
use supple_graph::{Analysis, Fact, Graph, Group, Level, NodeId, Op, Report, Site};
use supple_onnx::{Options, read};

/// The architectures, with which of their convolutions a BatchNorm follows: the export folds it into them, and fvcore counts it.
const MODELS: [(&str, Norms); 8] = [
    ("alexnet", |_| false),
    ("densenet121", |weights| weights.ends_with("conv0.weight") || weights.ends_with("conv1.weight")),
    ("mobilenet_v2", |_| true),
    ("mobilenet_v3_small", |weights| !weights.ends_with("fc1.weight") && !weights.ends_with("fc2.weight")),
    ("resnet18", |_| true),
    ("resnet50", |_| true),
    ("squeezenet1_1", |_| false),
    ("vit_b_16", |_| false),
];

/// Whether a norm follows the convolution with these weights.
type Norms = fn(&str) -> bool;

/// What a model must come out as.
struct Expected {
    graph: Graph,
    report: Report,
    value: Value,
}

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let found = root.join("expected/analysis").is_dir() && root.join("data/onnx").is_dir();
    if !found {
        println!("skipped: no folders expected/analysis and data/onnx in {}", root.display());
    }
    found.then_some(root)
}

fn model(root: &Path, name: &str) -> Expected {
    let (graph, _) = read(root.join(format!("data/onnx/{name}.onnx.gz")), &Options::default()).unwrap();
    graph.check().unwrap();
    let report = Report::of(&graph, &Analysis::of(&graph).unwrap());
    let text = std::fs::read_to_string(root.join(format!("expected/analysis/{name}.json"))).unwrap();
    Expected { graph, report, value: serde_json::from_str(&text).unwrap() }
}

/// Width, and the names of the weights that lose outputs and inputs.
type Coupled = (u64, BTreeSet<String>, BTreeSet<String>);

fn expected_groups(value: &Value) -> BTreeSet<Coupled> {
    let names =
        |names: &Value| names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let group = |group: &Value| (group["width"].as_u64().unwrap(), names(&group["out"]), names(&group["in"]));
    value["groups"].as_array().unwrap().iter().map(group).collect()
}

fn coupled(group: &Group) -> Coupled {
    let names = |names: &[String]| names.iter().cloned().collect();
    (group.width as u64, names(&group.out), names(&group.r#in))
}

fn groups_agree(name: &str, Expected { report, value, .. }: &Expected) {
    let (found, expected) = (report.groups.iter().map(coupled).collect::<BTreeSet<_>>(), expected_groups(value));
    assert_eq!(found.len(), report.groups.len(), "{name}: a group is told twice");
    let (missing, extra) = (expected.difference(&found).next(), found.difference(&expected).next());
    assert!(missing.is_none() && extra.is_none(), "{name}: missing {missing:?}, unexpected {extra:?}");
    let last = report.groups.iter().filter(|group| group.r#in.is_empty()).collect::<Vec<_>>();
    assert_eq!(last.len(), 1, "{name}: one group makes the output");
    assert_eq!((last[0].fits, last[0].reason.as_str()), (false, "model output"), "{name}");
}

fn elements(fact: &Fact) -> u64 {
    fact.elements() as u64
}

/// What fvcore 0.1.5 adds for a node, and what it leaves out: it counts two for each element that a BatchNorm reads, five for each of a LayerNorm,
/// one for each that an adaptive pooling to one element (or to as many as there are) reads, and sees nothing inside of fused attention, which the
/// export writes out as products of two values that are both computed.
fn as_fvcore_counts(graph: &Graph, id: NodeId, macs: u64, norms: Norms) -> u64 {
    let node = graph.node(id);
    let (read, made) = (graph.input_facts(id), &node.facts[0]);
    let weights = || node.inputs.iter().find(|v| matches!(graph.node(v.node).op, Op::Parameter(_)));
    match &node.op {
        Op::Conv(_) if norms(&graph.node(weights().unwrap().node).name) => macs + 2 * elements(made),
        Op::BatchNorm(_) => 2 * elements(made),
        Op::LayerNorm(_) => 5 * elements(made),
        Op::Reduce(reduce) if reduce.reduction == Reduction::Mean => elements(read[0]),
        Op::Pool(pool) if pool.window.kernel.iter().all(|&taps| taps == 1) => elements(read[0]),
        Op::Matmul(_) if weights().is_none() => 0,
        Op::Attention(_) => 0,
        _ => macs,
    }
}

/// That the number of multiply-adds is fvcore's to the last, where both count the same.
fn macs_agree(name: &str, norms: Norms, Expected { graph, report, value }: &Expected) {
    let macs: Vec<u64> = graph.ids().map(|id| supple_graph::report::macs(graph, id)).collect();
    assert_eq!(macs.iter().sum::<u64>(), report.macs, "{name}");
    let counted: u64 = graph.ids().zip(macs).map(|(id, macs)| as_fvcore_counts(graph, id, macs, norms)).sum();
    assert_eq!(Some(counted), value["macs_fvcore"].as_u64(), "{name}: ours are {} of our own counting", report.macs);
    assert!(Some(report.params) <= value["params"].as_u64(), "{name}: {} parameters", report.params);
}

fn nothing_is_left_without_a_verdict(name: &str, report: &Report) {
    for operator in &report.operators {
        for level in Level::ALL {
            let mut told = operator.verdicts.iter().filter(|verdict| verdict.level == level);
            assert!(told.clone().next().is_some(), "{name}: {} has no verdict for {level:?}", operator.name);
            assert!(told.all(|verdict| !verdict.reason.is_empty()), "{name}: {} has no reason", operator.name);
        }
    }
}

#[test]
fn groups_and_products_are_those_of_torch_pruning_and_fvcore() {
    let Some(root) = shared() else { return };
    for (name, norms) in MODELS {
        let expected = model(&root, name);
        groups_agree(name, &expected);
        macs_agree(name, norms, &expected);
        nothing_is_left_without_a_verdict(name, &expected.report);
    }
}

#[test]
fn tokens_leave_before_every_block_and_the_class_token_stays() {
    let Some(root) = shared() else { return };
    let (graph, _) = read(root.join("data/onnx/vit_b_16.onnx.gz"), &Options::default()).unwrap();
    let analysis = Analysis::of(&graph).unwrap();
    let sites: Vec<&Site> = analysis.tokens().iter().map(|(_, site)| &analysis.sites[site.0]).collect();
    let fixed: Vec<&Site> = analysis.fixed.iter().filter(|site| site.level == "token").collect();
    assert_eq!(sites.len(), 12, "{fixed:?}");
    for site in sites {
        let first = site.members[0];
        assert_eq!((site.units, first.start, graph.node(first.value.node).facts[0].shape[1].count()), (196, 1, 197));
    }
    assert!(analysis.fixed.iter().all(|site| site.level != "token"));
}

#[test]
fn written_out_attention_thins_out_by_heads_through_its_packed_projection() {
    let Some(root) = shared() else { return };
    let (graph, _) = read(root.join("data/onnx/vit_b_16.onnx.gz"), &Options::default()).unwrap();
    let of = |op: fn(&Op) -> bool| graph.ids().filter(|&id| op(&graph.node(id).op)).count();
    assert_eq!([of(|op| matches!(op, Op::Attention(_))), of(|op| matches!(op, Op::Softmax(_)))], [12, 0]);
    let analysis = Analysis::of(&graph).unwrap();
    for layer in 0..12 {
        let weights = |part: &str| format!("encoder.layers.encoder_layer_{layer}.self_attention.{part}");
        let lies_on = |name: &str, axis: usize| {
            let found = analysis.sites.iter().filter(|site| site.level == "head" && site.units == 12);
            let mut members = found.flat_map(|site| &site.members);
            members.any(|m| graph.node(m.value.node).name == name && m.axis == axis && m.block == 64)
        };
        assert!(lies_on(&weights("in_proj_weight"), 1) && lies_on(&weights("out_proj.weight"), 0), "layer {layer}");
    }
}
