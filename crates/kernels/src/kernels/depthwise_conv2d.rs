//! A convolution of each channel on its own.
use crate::depthwise::{BackwardInput, BackwardWeight, Forward};
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Conv2d, Layer};
use crate::pattern::Format;
use crate::pool::for_each;
use crate::simd::dispatch;
use pulp::{Simd, WithSimd};

/// Vectors along the whole plane of the output. There are as few products as data, so nothing is gained from a matrix product.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2d;

impl Kernel for DepthwiseConv2d {
    fn name(&self) -> &'static str {
        "depthwise_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        key.format == Format::Dense
            && matches!(key.layer, Layer::Conv2d(conv) if conv.is_sound() && conv.inputs == conv.groups && conv.groups > 1)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Conv2d(conv) = args.layer else { return Err(Error::new(self.name(), "not a convolution")) };
        dispatch(Call { conv, operands: args.operands, threads: args.threads });
        Ok(())
    }
}

/// Planes that a job takes.
const PLANES: usize = 8;

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
        let conv = &conv;
        let threads = if Layer::Conv2d(*conv).flops() < 1e6 { 1 } else { threads };
        let (plane, out): (usize, usize) = (conv.size.iter().product(), conv.output_size().iter().product());
        match operands {
            Operands::Forward { x, w, b, relu, y } => {
                let jobs = y.chunks_mut((PLANES * out).max(1)).enumerate();
                for_each(threads, jobs, |(job, y)| {
                    simd.vectorize(Forward { conv, x, w, b, relu, first: job * PLANES, y });
                });
            }
            Operands::BackwardInput { dy, w, dx } => {
                let jobs = dx.chunks_mut((PLANES * plane).max(1)).enumerate();
                for_each(threads, jobs, |(job, dx)| {
                    simd.vectorize(BackwardInput { conv, dy, w, first: job * PLANES, dx });
                });
            }
            Operands::BackwardWeight { dy, x, dw, db } => {
                let mut none = [];
                let biases = db.map_or(none.iter_mut(), |db| db[..conv.outputs].iter_mut());
                let biases = biases.map(Some).chain(std::iter::repeat_with(|| None));
                let jobs = dw.chunks_mut(conv.row_stride).take(conv.outputs).zip(biases).enumerate();
                for_each(threads, jobs, |(output, (dw, db))| {
                    simd.vectorize(BackwardWeight { conv, dy, x, output, dw: &mut dw[..conv.row()], db });
                });
            }
        }
    }
}
