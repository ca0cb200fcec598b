//! Block-sparse layers on many pixels.
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key};
use crate::layer::Layer;
use crate::pattern::{Format, Pattern};
use crate::sparse;

/// Products with the first blocks of every row, on planes of pixels: the output's tile stays in registers over a whole row of blocks.
#[derive(Clone, Copy, Debug)]
pub struct BlockPlanes;

impl Kernel for BlockPlanes {
    fn name(&self) -> &'static str {
        "block_planes"
    }

    fn takes(&self, key: &Key) -> bool {
        let sound = match key.layer {
            Layer::Linear(_) => true,
            Layer::Conv2d(conv) => conv.is_sound(),
        };
        sound && matches!(key.format, Format::Blocks { .. })
    }

    fn run(&self, args: Args<'_>) -> Result<(), Error> {
        args.check(self)?;
        let Pattern::Blocks(blocks) = args.pattern else { return Err(Error::new(self.name(), "no blocks")) };
        sparse::run(args.layer, blocks, args.operands, args.threads);
        Ok(())
    }
}
