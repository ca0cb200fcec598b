//! Block-sparse convolutions of images that stay where they lie.
use crate::error::Error;
use crate::images;
use crate::kernel::{Args, Kernel, Key};
use crate::layer::{Conv2d, Layer};
use crate::lines;
use crate::pattern::{Format, Pattern};
use crate::planes::Planes;
use crate::simd::lanes;
use supple_graph::Phase;

/// Blocks of a row that cost less than the copies that other kernels make, however few channels those are of.
const FEW: usize = 16;

/// Products with the first blocks of every row, on images where they lie: nothing is copied, and masks leave out what lies beside an image.
#[derive(Clone, Copy, Debug)]
pub struct BlockImages;

impl Kernel for BlockImages {
    fn name(&self) -> &'static str {
        "block_images"
    }

    fn takes(&self, key: &Key) -> bool {
        let (Layer::Conv2d(conv), Format::Blocks { height, .. }) = (key.layer, key.format) else { return false };
        conv.is_sound() && images::stay(&conv) && conv.group_outputs().is_multiple_of(height)
    }

    fn pays(&self, key: &Key) -> bool {
        let (Layer::Conv2d(conv), Format::Blocks { height, kept, .. }) = (&key.layer, key.format) else { return false };
        let masks_are_free = lanes() >= images::LANES && height > 1;
        key.layer.is_countable() && masks_are_free && wins(conv, kept, key.phase)
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let (Layer::Conv2d(conv), Pattern::Blocks(blocks)) = (args.layer, args.pattern) else {
            return Err(Error::new(self.name(), "no blocks of a convolution"));
        };
        images::run(conv, blocks, args.operands, args.threads);
        Ok(())
    }
}

/// Whether images where they lie are faster, as was measured: than planes forward always, and backward with no more blocks than channels unless those
/// lie there too; than lines, which lose nothing at the end of an image, with fewer.
fn wins(conv: &Conv2d, kept: usize, phase: Phase) -> bool {
    let pixels = conv.output_size()[0] * conv.size[1];
    let is_full = pixels.next_multiple_of(lanes()) - pixels <= pixels / 8;
    let channels = conv.group_inputs().max(FEW);
    match (phase, lines::pay(conv)) {
        (Phase::Forward, false) => true,
        (Phase::Forward, true) => is_full && kept <= channels,
        (_, false) => kept <= channels && !Planes::new(&Layer::Conv2d(*conv), lanes()).is_direct(),
        (_, true) => is_full && 3 * kept <= channels,
    }
}
