//! The slow truth of an operator, on the host.
use super::Runner;
use crate::tensor::{download, upload};
use supple_graph::{Array, Op, Operator};

/// Moves the operands to the host, evaluates, and moves the outputs to the device.
pub(super) fn runner(op: &Op) -> Runner {
    let op = op.clone();
    Runner::new(move |operands, call| {
        let arrays = operands.rest().into_iter().map(download).collect::<Result<Vec<Array>, _>>()?;
        let outputs = op.eval(&arrays.iter().collect::<Vec<_>>())?;
        Ok(outputs
            .iter()
            .zip(call.facts)
            .map(|(array, fact)| upload(array, fact.dtype, call.device.as_dispatch()))
            .collect())
    })
}
