//! Block-sparse convolutions of many small images.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key};
use crate::layer::{Conv2d, Layer};
use crate::lines;
use crate::pattern::{Format, Pattern};
use crate::planes::Planes;
use crate::simd::lanes;

/// Pixels from which on a line is long.
const LONG: usize = 16;

/// Products with the first blocks of every row, on lines of pixels with the samples innermost: nothing is computed but the pixels of the output.
#[derive(Clone, Copy, Debug)]
pub struct BlockLines;

impl Kernel for BlockLines {
    fn name(&self) -> &'static str {
        "block_lines"
    }

    fn takes(&self, key: &Key) -> bool {
        matches!(key.layer, Layer::Conv2d(conv) if conv.is_sound()) && matches!(key.format, Format::Blocks { .. })
    }

    fn pays(&self, key: &Key) -> bool {
        matches!(&key.layer, Layer::Conv2d(conv) if key.layer.is_countable() && wins(conv))
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let (Layer::Conv2d(conv), Pattern::Blocks(blocks)) = (args.layer, args.pattern) else {
            return Err(Error::new(self.name(), "no blocks of a convolution"));
        };
        lines::run(conv, blocks, args.operands, args.threads);
        Ok(())
    }
}

/// Whether lines take fewer vectors than planes in their frames; a tenth fewer where planes have long lines of neighbours to copy, as was measured.
pub(super) fn wins(conv: &Conv2d) -> bool {
    let planes = Planes::new(&Layer::Conv2d(*conv), lanes());
    let (samples, vectors) = lines::together(conv, lanes(), 1);
    let frames = conv.batch * planes.sample() / lanes();
    let is_long = conv.output_size()[1] > LONG && conv.stride[1] == 1;
    let most = if is_long { frames - frames / 10 } else { frames };
    samples >= lines::FEW && !planes.is_direct() && vectors <= most
}
