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
/// The part of the elements of vectors that hold pixels, from which on little is lost.
const FULL: f64 = 0.89;

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
        key.layer.is_countable() && masks_are_free && wins(conv, [height, kept], key.phase)
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

/// Whether images where they lie are faster, as was measured.
fn wins(conv: &Conv2d, [height, kept]: [usize; 2], phase: Phase) -> bool {
    let (planes, lines) = (Planes::new(&Layer::Conv2d(*conv), lanes()), lines::pay(conv));
    if conv.stride[1] == 1 {
        keeps(conv, kept, phase, (&planes, lines))
    } else {
        halves(conv, [height, kept], phase, (&planes, lines))
    }
}

/// With a stride of one: than planes forward always, and backward with no more blocks than channels unless those lie there too; than lines, which lose nothing at the
/// end of an image, with fewer.
fn keeps(conv: &Conv2d, kept: usize, phase: Phase, (planes, lines): (&Planes, bool)) -> bool {
    let is_full = images::fill(conv, lanes()) >= FULL;
    let channels = conv.group_inputs().max(FEW);
    match (phase, lines) {
        (Phase::Forward, false) => true,
        (Phase::Forward, true) => is_full && kept <= channels,
        (_, false) => kept <= channels && !planes.is_direct(),
        (_, true) => is_full && 3 * kept <= channels,
    }
}

/// With a stride of two, where each use of an element costs exchanges, and as much again for what is loaded beside it: with so few uses of what others copy once, which of
/// 1x1 kernels is a quarter of what they read.
fn halves(conv: &Conv2d, [height, kept]: [usize; 2], phase: Phase, (planes, lines): (&Planes, bool)) -> bool {
    let copied = (conv.group_inputs() * planes.residues()) as f64 * images::fill(conv, lanes());
    let uses = (conv.group_outputs() / height * kept) as f64 / copied;
    let most = match (phase, lines, planes.residues()) {
        (Phase::Forward, false, 1) => 9.0,
        (Phase::Forward, false, _) => 5.0,
        (Phase::Forward, true, _) => 3.0,
        (_, _, 1) => 0.0,
        (Phase::BackwardWeight, false, _) => 3.0,
        _ => 1.0,
    };
    uses <= most
}
