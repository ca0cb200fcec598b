//! Linear layers in a recorded pass, which Burn's dispatcher writes as a product and a sum.
use crate::recorded::Source;
use crate::step::Step;
use burn_capture::TensorId;
use std::collections::BTreeMap;
use supple_graph::Op;
use supple_graph::operators::BinaryFunction;

/// Puts a linear layer wherever a product with a parameter of rank 2 stands, with the parameter that is added behind it as its bias. `rank` is that
/// of a parameter, `None` for any other tensor.
pub(crate) fn fuse_linear(steps: &mut Vec<Step>, outputs: &[TensorId], rank: impl Fn(TensorId) -> Option<usize>) {
    let index = Index::of(steps);
    for at in 0..steps.len() {
        let Some((x, w)) = index.product(&steps[at], steps, &rank) else { continue };
        let product = steps[at].output;
        match index.bias(product, steps, &rank) {
            Some((sum, bias)) => steps[sum].become_linear(vec![x, w, bias]),
            None => steps[at].become_linear(vec![x, w]),
        }
    }
    remove_unread(steps, outputs);
}

/// Who makes a tensor, and how many read it.
struct Index {
    maker: BTreeMap<TensorId, usize>,
    readers: BTreeMap<TensorId, Vec<usize>>,
}

impl Index {
    fn of(steps: &[Step]) -> Self {
        let maker = steps.iter().enumerate().map(|(at, step)| (step.output, at)).collect();
        let mut readers: BTreeMap<TensorId, Vec<usize>> = BTreeMap::new();
        for (at, step) in steps.iter().enumerate() {
            step.reads().into_iter().for_each(|input| readers.entry(input).or_default().push(at));
        }
        Self { maker, readers }
    }

    /// The parameter of rank `wanted` that a tensor is, perhaps with axes of length one before it.
    fn parameter(
        &self,
        id: TensorId,
        wanted: usize,
        steps: &[Step],
        rank: &impl Fn(TensorId) -> Option<usize>,
    ) -> Option<TensorId> {
        let source = match self.maker.get(&id).map(|&at| &steps[at]) {
            Some(step) if matches!(step.op, Op::Reshape(_)) && step.leads_with_ones(wanted) => *step.reads().first()?,
            Some(_) => return None,
            None => id,
        };
        (rank(source) == Some(wanted)).then_some(source)
    }

    /// Input and weight of a product with a parameter.
    fn product(
        &self,
        step: &Step,
        steps: &[Step],
        rank: &impl Fn(TensorId) -> Option<usize>,
    ) -> Option<(TensorId, TensorId)> {
        let ([Source::Tensor(x), Source::Tensor(w)], Op::Matmul(_)) = (step.inputs.as_slice(), &step.op) else {
            return None;
        };
        Some((*x, self.parameter(*w, 2, steps, rank)?))
    }

    /// The step that adds a parameter to a product that nothing else reads, and that parameter.
    fn bias(
        &self,
        product: TensorId,
        steps: &[Step],
        rank: &impl Fn(TensorId) -> Option<usize>,
    ) -> Option<(usize, TensorId)> {
        let [at] = self.readers.get(&product)?[..] else { return None };
        let Op::Binary(binary) = &steps[at].op else { return None };
        let [Source::Tensor(y), Source::Tensor(b)] = steps[at].inputs.as_slice() else { return None };
        let adds = binary.function == BinaryFunction::Add && *y == product;
        adds.then(|| self.parameter(*b, 1, steps, rank)).flatten().map(|bias| (at, bias))
    }
}

fn remove_unread(steps: &mut Vec<Step>, outputs: &[TensorId]) {
    for at in (0..steps.len()).rev() {
        let (before, after) = steps.split_at(at + 1);
        let read = |made| outputs.contains(&made) || after.iter().any(|step| step.reads().contains(&made));
        if !before[at].makes().any(read) {
            steps.remove(at);
        }
    }
}
