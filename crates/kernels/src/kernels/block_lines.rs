//! Block-sparse convolutions of many small images.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key};
use crate::layer::Layer;
use crate::lines;
use crate::pattern::{Format, Pattern};

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
        matches!(&key.layer, Layer::Conv2d(conv) if key.layer.is_countable() && lines::pay(conv))
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
