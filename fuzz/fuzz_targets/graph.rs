//! Any text as a graph: one that is well-formed and reads back as it was written, or an error.
#![no_main]
use libfuzzer_sys::fuzz_target;
use supple_graph::Graph;

fuzz_target!(|text: &str| {
    if let Ok(graph) = Graph::from_json(text) {
        let again = Graph::from_json(&graph.to_json()).expect("a graph reads back");
        assert_eq!(again.len(), graph.len());
        supple_fuzz::analyse(&graph);
    }
});
