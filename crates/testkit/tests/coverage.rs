//! What occurs in random graphs.
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use supple_graph::{Elastic, Operator};
use supple_testkit::graphs;

/// Operators of a forward pass, and functions of such as have several, that settings take units from.
const THINNED: &str = "parameter constant linear conv1d conv2d conv3d conv_transpose gemm matmul attention lstm gru embedding
    batch_norm group_norm instance_norm softmax log_softmax dropout
    max_pool average_pool adaptive_max_pool adaptive_average_pool resize
    reshape permute concat split slice pad expand gather where cast arg_max arg_min top_k
    sum mean max min prod l1 l2 sum_square
    scalar leaky_relu elu hard_sigmoid clip relu gelu gelu_tanh silu sigmoid hard_swish mish softplus softsign tanh erf exp log sqrt recip
    sin cos neg abs sign floor ceil round not
    add sub mul div pow prelu modulo quotient less less_or_equal greater greater_or_equal equal and or xor";

/// Those that normalise over the only axis that weights lie on.
const WHOLE: [&str; 3] = ["input", "layer_norm", "rms_norm"];

/// Whether each operator that occurs in the first graphs is met by units that can be left out.
fn met(graphs_tried: usize) -> BTreeMap<&'static str, bool> {
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeMap::new();
    for _ in 0..graphs_tried {
        let elastic = Elastic::new(graphs().new_tree(&mut runner).unwrap().current()).unwrap();
        let (graph, analysis) = (elastic.graph(), elastic.analysis());
        for id in graph.ids() {
            let mut units = graph.outputs_of(id).flat_map(|value| analysis.members_of(value));
            let thinned = units.any(|(site, _)| analysis.sites[site.0].is_of_axes());
            *met.entry(graph.node(id).op.name()).or_default() |= thinned;
        }
    }
    met
}

#[test]
fn every_operator_of_a_forward_pass_occurs_and_loses_units() {
    let met = met(6000);
    let missing: Vec<&str> = THINNED.split_whitespace().filter(|name| met.get(name) != Some(&true)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(WHOLE.iter().all(|name| met.get(name) == Some(&false)), "{met:?}");
}
