//! The graph of a Burn module, recorded from its forward pass.
use crate::error::Result;
use crate::import;
pub use crate::recording::Recorded;
use crate::recording::record;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::kind::Numeric;
use supple_graph::rewrites::rewritten;
use supple_graph::{Graph, Weights};

/// The batch sizes at which a pass is recorded.
const BATCHES: [usize; 2] = [16_384, 24_576];

/// Records the forward pass of `module` on one input of `row` (the shape of a sample) and returns its graph and weights.
///
/// The pass is recorded at two batch sizes, so that what follows the batch is known; both are large, because Burn lowers a linear layer in
/// another way when a batch is small. Names of parameters are kept, and attention that the module writes out becomes one operator.
///
/// # Errors
/// When Burn cannot record the pass, or the pass uses an operation that Supple does not know; the error names it.
pub fn capture<M, K, const D: usize, const E: usize>(
    name: &str,
    module: &M,
    row: &[usize],
    forward: impl Fn(&M, Tensor<D, K>) -> Tensor<E>,
) -> Result<(Graph, Weights)>
where
    M: Module + Clone,
    K: Numeric,
    Tensor<D, K>: Recorded,
{
    let [small, large] = BATCHES.map(|batch| record(module, row, batch, &forward));
    let (graph, weights) = import::import(name, &small?, &large?, <Tensor<D, K> as Recorded>::DTYPE)?;
    Ok(rewritten(graph, weights)?)
}
