//! Products of tensors, and pooling.
use super::Runner;
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use supple_graph::operators::PoolFunction;
use supple_graph::window::Window;
use supple_graph::{Fact, Op};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    Some(match op {
        Op::Matmul(_) if inputs[0].rank() == inputs[1].rank() => Runner::join(Dispatch::float_matmul),
        Op::Pool(op) => pool(op.function, &op.window)?,
        _ => return None,
    })
}

/// Pooling over two axes with as much padding before as behind.
fn pool(function: PoolFunction, window: &Window) -> Option<Runner> {
    let pair = |numbers: &[usize]| <[usize; 2]>::try_from(numbers).ok();
    let (kernel, stride, dilation) = (pair(&window.kernel)?, pair(&window.stride)?, pair(&window.dilation)?);
    let even = window.padding.iter().map(|[before, after]| (before == after).then_some(*before));
    let (padding, ceil) = (pair(&even.collect::<Option<Vec<_>>>()?)?, window.ceil);
    match function {
        PoolFunction::Max => {
            Some(Runner::map(move |x| Dispatch::max_pool2d(x, kernel, stride, padding, dilation, ceil)))
        }
        PoolFunction::Average | PoolFunction::PaddedAverage if dilation == [1, 1] => {
            let padded = function == PoolFunction::PaddedAverage;
            Some(Runner::map(move |x| Dispatch::avg_pool2d(x, kernel, stride, padding, padded, ceil)))
        }
        _ => None,
    }
}
