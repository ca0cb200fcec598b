//! Products of tensors, and pooling.
use super::Runner;
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use supple_graph::{Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    Some(match op {
        Op::Matmul(_) if inputs[0].rank() == inputs[1].rank() => Runner::join(Dispatch::float_matmul),
        Op::MaxPool2d(pool) => {
            let (kernel, stride) = (pool.kernel, pool.stride);
            Runner::map(move |x| Dispatch::max_pool2d(x, kernel, stride, [0, 0], [1, 1], false))
        }
        _ => return None,
    })
}
