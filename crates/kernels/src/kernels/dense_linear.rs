//! A linear layer on the prefix of its inputs and outputs.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Layer, Linear};
use crate::linear::{BackwardInput, BackwardWeight, Forward};
use crate::pattern::Format;
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};

/// A dense product with a slice of the full weights.
#[derive(Clone, Copy, Debug)]
pub struct DenseLinear;

impl Kernel for DenseLinear {
    fn name(&self) -> &'static str {
        "dense_linear"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense && matches!(key.layer, Layer::Linear(layer) if layer.row_stride >= layer.outputs)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Linear(layer) = args.layer else { return Err(Error::new(self.name(), "not a linear layer")) };
        dispatch(Call { layer, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

struct Call<'a> {
    layer: Linear,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, operands, threads } = self;
        let threads = if Layer::Linear(layer).flops() < 1e6 { 1 } else { threads };
        match operands {
            Operands::Forward { x, w, b, relu, y } => Forward { layer, x, w, b, relu, threads }.run(simd, y),
            Operands::BackwardInput { dy, w, dx } => BackwardInput { layer, dy, w, threads }.run(simd, dx),
            Operands::BackwardWeight { dy, x, dw, db } => BackwardWeight { layer, dy, x, threads }.run(simd, dw, db),
        }
    }
}
