//! One step of a recorded pass.
use crate::recorded::Source;
use burn_capture::TensorId;
use supple_graph::operators::Linear;
use supple_graph::{Dim, Op};

/// A recorded operation: what it computes, what it reads, and the tensors that it makes with their shapes; the first of them apart.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub op: Op,
    pub inputs: Vec<Source>,
    pub output: TensorId,
    pub shape: Vec<Dim>,
    pub more: Vec<(TensorId, Vec<Dim>)>,
}

impl Step {
    /// Whether all axes but the last `rank` have length one.
    pub fn leads_with_ones(&self, rank: usize) -> bool {
        let lead = self.shape.len().checked_sub(rank);
        lead.is_some_and(|lead| self.shape[..lead].iter().all(|&dim| dim == Dim::Fixed(1)))
    }

    /// The recorded tensors that it reads.
    pub fn reads(&self) -> Vec<TensorId> {
        let mut found = Vec::new();
        self.inputs.iter().for_each(|source| source.each(&mut |id| found.push(id)));
        found
    }

    /// The recorded tensors that it makes.
    pub fn makes(&self) -> impl Iterator<Item = TensorId> + '_ {
        std::iter::once(self.output).chain(self.more.iter().map(|(id, _)| *id))
    }

    /// Puts a linear layer of an input, its weights and perhaps a bias in its place.
    pub fn become_linear(&mut self, inputs: Vec<TensorId>) {
        self.op = Linear::default().into();
        self.inputs = inputs.into_iter().map(Source::Tensor).collect();
    }
}
