//! Any bytes as an ONNX model: a graph that is well-formed, or an error.
#![no_main]
use libfuzzer_sys::fuzz_target;
use supple_onnx::{Options, parse};

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes, &Options::default()) {
        Ok((graph, weights)) => {
            assert!(graph.parameter_ids().iter().all(|id| weights.contains_key(id)));
            supple_fuzz::analyse(&graph);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
