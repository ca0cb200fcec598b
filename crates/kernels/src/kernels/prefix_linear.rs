//! A linear layer on the prefix of its inputs and outputs.
use super::product::{Matrix, add_product};
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key};

/// A dense product on a slice of the full weights, in place; the bias is the starting value of the output.
#[derive(Clone, Copy, Debug)]
pub struct PrefixLinear;

impl Kernel for PrefixLinear {
    fn name(&self) -> &'static str {
        "prefix_linear"
    }

    fn takes(&self, key: &Key) -> bool {
        matches!(key, Key::Linear { inputs, outputs, stride, .. } if *inputs > 0 && stride >= outputs)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self.name())?;
        let Key::Linear { rows, inputs, outputs, stride } = args.key else {
            return Err(Error::new(self.name(), "not a linear layer"));
        };
        match args.b {
            Some(bias) => args.y.chunks_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(&bias[..outputs])),
            None => args.y.fill(0.0),
        }
        let (x, w) = (Matrix { data: args.x, stride: inputs }, Matrix { data: args.w, stride });
        add_product(args.y, x, w, [rows, inputs, outputs], args.threads);
        Ok(())
    }
}
