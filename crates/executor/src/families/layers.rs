//! Linear layers and convolutions: our kernels where the backend has them, else Burn's.
use super::{Call, Operands, Runner};
use crate::error::Result;
use crate::layers::{self, Kind, Window2d};
use crate::tensor::{Any, lengths};
use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::{Shape, ops::ConvOptions};
use supple_graph::{Fact, Op};

pub(super) fn find(op: &Op, _inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    Some(match op {
        Op::Linear(_) => layer(Kind::Linear, linear),
        Op::Conv(conv) => {
            let window = Window2d::of(conv)?;
            let options = ConvOptions::new(window.stride, window.padding, window.dilation, window.groups);
            let plain = move |x, w, b| Dispatch::conv2d(x, w, b, options.clone());
            if window.groups == 1 {
                layer(Kind::Conv2d(window), plain)
            } else {
                Runner::of(move |mut operands, _| {
                    Ok(plain(operands.take()?, operands.take()?, operands.take_optional()))
                })
            }
        }
        _ => return None,
    })
}

/// A layer by our kernels, or by `plain` where they may not run.
fn layer(kind: Kind, plain: impl Fn(Any, Any, Option<Any>) -> Any + Send + Sync + 'static) -> Runner {
    let run = move |mut operands: Operands, call: &Call<'_>| -> Result<Any> {
        let (x, w, b) = (operands.take()?, operands.take()?, operands.take_optional());
        let fast = || layers::Call { kind: kind.clone(), relu: call.relu, threads: call.mode.threads };
        let done = call.mode.kernels.then(|| layers::layer(&x, &w, b.as_ref(), fast())).flatten();
        Ok(match done {
            Some(y) => y,
            None => plain(x, w, b),
        })
    };
    Runner::of(run)
}

/// Burn's linear layer wants an input of the weights' rank or more.
fn linear(x: Any, w: Any, b: Option<Any>) -> Any {
    let outputs = lengths(&w)[1];
    let mut shape = lengths(&x);
    let y = Dispatch::linear(x, w, b);
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    Dispatch::float_reshape(y, Shape::from(shape))
}
