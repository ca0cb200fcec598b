//! A convolution that is too narrow for products of matrices.
use crate::conv::plain;
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::layer::{Conv2d, Layer};
use crate::pack::Pack;
use crate::pattern::Format;
use crate::sparse;
use supple_graph::Phase;

/// Channels of a group below which a tile of a product is mostly empty.
const FEW: usize = 8;
/// Input channels up to which the panels of a convolution of single pixels cost more to fill backward than the product gains by them.
const SHALLOW: usize = 96;
/// Pixels of the output from which on packing the weights for one pass does not count.
const PIXELS: usize = 512;

/// All blocks of the weights, packed for the pass: its tiles are as wide as there are pixels, however few channels there are.
#[derive(Clone, Copy, Debug)]
pub struct NarrowConv2d;

impl Kernel for NarrowConv2d {
    fn name(&self) -> &'static str {
        "narrow_conv2d"
    }

    fn takes(&self, key: &Key) -> bool {
        let fits = |conv: &Conv2d| conv.is_sound() && conv.row() <= usize::from(u16::MAX);
        key.format == Format::Dense && matches!(&key.layer, Layer::Conv2d(conv) if fits(conv))
    }

    fn pays(&self, key: &Key) -> bool {
        matches!(&key.layer, Layer::Conv2d(conv) if key.layer.is_countable() && wins(conv, key.phase))
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Layer::Conv2d(conv) = args.layer else { return Err(Error::new(self.name(), "not a convolution")) };
        match args.operands {
            Operands::Forward { x, w, b, relu, y } if plain::is_needed(&conv, w) => {
                plain::forward(&conv, [x, w], b, relu, y)
            }
            Operands::BackwardInput { dy, w, dx } if plain::is_needed(&conv, w) => plain::input(&conv, [dy, w], dx),
            operands => return packed(&args.layer, operands, args.threads),
        }
        Ok(())
    }
}

/// Whether whole blocks were faster than products of matrices where that was measured.
fn wins(conv: &Conv2d, phase: Phase) -> bool {
    let (inputs, outputs) = (conv.group_inputs(), conv.group_outputs());
    let strides = conv.stride != [1, 1];
    let is_shallow = conv.kernel == [1, 1] && (inputs <= SHALLOW || strides);
    let many = conv.batch * conv.output_size().iter().product::<usize>() >= PIXELS;
    many && match phase {
        Phase::Forward => outputs <= FEW && !strides,
        _ => inputs <= FEW || (outputs <= FEW && !strides) || is_shallow,
    }
}

fn packed(layer: &Layer, operands: Operands<'_>, threads: usize) -> Result<(), Error> {
    match operands {
        Operands::Forward { x, w, b, relu, y } => {
            let pack = Pack::whole(layer, w)?;
            let operands = Operands::Forward { x, w: pack.values(), b, relu, y };
            sparse::run(*layer, pack.blocks(pack.stored())?, operands, threads);
        }
        Operands::BackwardInput { dy, w, dx } => {
            let pack = Pack::whole(layer, w)?;
            let operands = Operands::BackwardInput { dy, w: pack.values(), dx };
            sparse::run(*layer, pack.blocks(pack.stored())?, operands, threads);
        }
        Operands::BackwardWeight { dy, x, dw, db } => {
            let pack = Pack::whole(layer, dw)?;
            let mut values = vec![0.0; pack.values().len()];
            let operands = Operands::BackwardWeight { dy, x, dw: &mut values, db };
            sparse::run(*layer, pack.blocks(pack.stored())?, operands, threads);
            pack.unpack(layer, &values, pack.stored(), dw)?;
        }
    }
    Ok(())
}
