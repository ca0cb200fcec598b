//! A convolution on the prefix of its input and output channels.
use crate::conv::{BackwardInput, BackwardWeight, Forward, plain};
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Conv2d, Layer};
use crate::pattern::Format;
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};

/// An indirect product (Dukhan 2019): what a kernel's element sees of every output pixel lies at one distance from the pixel's own place in
/// the padded image, so that the image is read where it lies and no patches are copied.
#[derive(Clone, Copy, Debug)]
pub struct DenseConv2d;

impl Kernel for DenseConv2d {
    fn name(&self) -> &'static str {
        "dense_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense && matches!(key.layer, Layer::Conv2d(conv) if conv.is_sound())
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Conv2d(conv) = args.layer else { return Err(Error::new(self.name(), "not a convolution")) };
        dispatch(Call { conv, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

struct Call<'a> {
    conv: Conv2d,
    operands: Operands<'a>,
    threads: usize,
}

impl WithSimd for Call<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { conv, operands, threads } = self;
        let threads = if Layer::Conv2d(conv).flops() < 1e6 { 1 } else { threads };
        let conv = &conv;
        match operands {
            Operands::Forward { x, w, b, relu, y } if plain::is_needed(conv, w) => {
                plain::forward(conv, [x, w], b, relu, y)
            }
            Operands::Forward { x, w, b, relu, y } => Forward { conv, x, w, b, relu, threads }.run(simd, y),
            Operands::BackwardInput { dy, w, dx } if plain::is_needed(conv, w) => plain::input(conv, [dy, w], dx),
            Operands::BackwardInput { dy, w, dx } => BackwardInput { conv, dy, w, threads }.run(simd, dx),
            Operands::BackwardWeight { dy, x, dw, db } => BackwardWeight { conv, dy, x, threads }.run(simd, dw, db),
        }
    }
}
