//! Graphs that compute the same with operators that say more.
mod attention;
mod known;
mod mask;
mod unread;

use crate::error::Result;
use crate::graph::{Graph, Weights};
use crate::patch::Patch;

/// Adds to a patch what puts better operators in place of what it recognises, and never changes an output.
pub type Rewrite = fn(&Graph, &mut Patch);

/// All of them, by name, in the order in which they are tried.
pub const ALL: [(&str, Rewrite); 3] =
    [("known", known::rewrite), ("attention", attention::rewrite), ("unread", unread::rewrite)];

/// The graph after all rewrites, with the values of its parameters.
///
/// # Errors
/// When the graph is not well-formed.
pub fn rewritten(mut graph: Graph, mut weights: Weights) -> Result<(Graph, Weights)> {
    for (_, rewrite) in ALL {
        let mut patch = Patch::of(&graph);
        rewrite(&graph, &mut patch);
        if !patch.is_empty() {
            let patched = patch.apply(&graph)?;
            weights = patched.weights(weights);
            graph = patched.graph;
        }
    }
    Ok((graph, weights))
}
