//! A transformer over the patches of an image (Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021), with the mean of all patches before the
//! classes in place of a token of their own (Beyer et al., "Better plain ViT baselines", 2022): any of its patches can be left out.
use crate::block::{Block, BlockConfig};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// The standard deviation of fresh positions.
const SPREAD: f64 = 0.02;

/// The sizes of a [`PatchTransformer`].
#[derive(Config, Debug)]
pub struct PatchTransformerConfig {
    /// The number of classes.
    pub classes: usize,
    /// Height and width of an image.
    #[config(default = 28)]
    pub side: usize,
    /// Height and width of a patch, of which the side is a multiple.
    #[config(default = 4)]
    pub patch: usize,
    /// The number of blocks.
    #[config(default = 4)]
    pub layers: usize,
    /// The attention heads of a block.
    #[config(default = 4)]
    pub heads: usize,
    /// The features of one head; the model is `heads * head_width` wide.
    #[config(default = 16)]
    pub head_width: usize,
    /// The perceptron of a block is so many times as wide as the model.
    #[config(default = 2)]
    pub expansion: usize,
}

/// Patch and position embedding, blocks of self-attention and perceptron, and logits of the mean patch.
#[derive(Module, Debug)]
pub struct PatchTransformer {
    patches: Conv2d,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    output: Linear,
}

impl PatchTransformerConfig {
    /// The features of each patch: `heads * head_width`.
    pub fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// The number of patches.
    pub fn tokens(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// A freshly initialised model on `device`.
    pub fn init(&self, device: &Device) -> PatchTransformer {
        let block = BlockConfig { heads: self.heads, head_width: self.head_width, expansion: self.expansion };
        let patches = Conv2dConfig::new([1, self.width()], [self.patch; 2]).with_stride([self.patch; 2]);
        let spread = Initializer::Normal { mean: 0.0, std: SPREAD };
        PatchTransformer {
            patches: patches.init(device),
            positions: spread.init([self.tokens(), self.width()], device),
            blocks: (0..self.layers).map(|_| block.init(device)).collect(),
            norm: LayerNormConfig::new(self.width()).init(device),
            output: LinearConfig::new(self.width(), self.classes).init(device),
        }
    }
}

impl PatchTransformer {
    /// From images `[batch, 1, side, side]` to logits `[batch, classes]`.
    ///
    /// # Panics
    /// When an image has another size than the model's.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let patches: Tensor<3> = self.patches.forward(images).flatten(2, 3);
        let embedded = patches.swap_dims(1, 2) + self.positions.val().unsqueeze();
        let features = self.blocks.iter().fold(embedded, |features, block| block.forward(features, None));
        let mean = self.norm.forward(features).mean_dim(1).squeeze_dim::<2>(1);
        self.output.forward(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_have_one_row_an_image() {
        let device = Device::default();
        let config = PatchTransformerConfig::new(5).with_side(8).with_heads(2).with_head_width(3).with_layers(1);
        assert_eq!(config.tokens(), 4);
        assert_eq!(config.init(&device).forward(Tensor::ones([3, 1, 8, 8], &device)).dims(), [3, 5]);
    }
}
