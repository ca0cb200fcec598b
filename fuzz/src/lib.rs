//! What the fuzz targets share.
#[cfg(feature = "traces")]
pub mod traces;

use supple_graph::{Analysis, Graph, Report};

/// Checks a graph that an importer let through, and analyses it.
///
/// # Panics
/// When it is not well-formed, or an operator is left without a verdict.
pub fn analyse(graph: &Graph) {
    graph.check().expect("a graph that was read is well-formed");
    let analysis = Analysis::of(graph).expect("a well-formed graph is analysed");
    let report = Report::of(graph, &analysis);
    assert!(report.operators.iter().all(|operator| !operator.verdicts.is_empty()));
}
