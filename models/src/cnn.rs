//! A small convolutional network for 28x28 images.
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Height and width of the images.
const SIDE: usize = 28;

/// The sizes of a [`Cnn`].
#[derive(Config, Debug)]
pub struct CnnConfig {
    /// The channels of the images.
    #[config(default = 1)]
    pub images: usize,
    /// The channels after each convolution.
    #[config(default = "[32, 64, 128]")]
    pub channels: [usize; 3],
    /// The features between the two linear layers.
    #[config(default = 256)]
    pub hidden: usize,
    /// The number of classes.
    #[config(default = 10)]
    pub classes: usize,
    /// The groups of the GroupNorm after each convolution (Wu & He, 2018), where there is one: a divisor of every
    /// number of channels.
    #[config(default = "None")]
    pub groups: Option<usize>,
}

/// Three stages of 3x3 convolution, ReLU and 2x2 max-pool, then two linear layers.
#[derive(Module, Debug)]
pub struct Cnn {
    stages: Vec<Stage>,
    hidden: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct Stage {
    convolution: Conv2d,
    norm: Option<GroupNorm>,
    pool: MaxPool2d,
}

impl CnnConfig {
    /// A freshly initialised model on `device`.
    ///
    /// # Panics
    /// When `groups` is zero or does not divide every number of channels.
    pub fn init(&self, device: &Device) -> Cnn {
        let [first, second, third] = self.channels;
        let ends = [[self.images, first], [first, second], [second, third]];
        let side = ends.iter().fold(SIDE, |side, _| side / 2);
        Cnn {
            stages: ends.map(|ends| self.stage(ends, device)).to_vec(),
            hidden: LinearConfig::new(third * side * side, self.hidden).init(device),
            output: LinearConfig::new(self.hidden, self.classes).init(device),
        }
    }

    fn stage(&self, ends: [usize; 2], device: &Device) -> Stage {
        let convolution = Conv2dConfig::new(ends, [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Stage {
            convolution: convolution.init(device),
            norm: self.groups.map(|groups| GroupNormConfig::new(groups, ends[1]).init(device)),
            pool: MaxPool2dConfig::new([2, 2]).init(),
        }
    }
}

impl Cnn {
    /// From images `[batch, channels, 28, 28]` to logits `[batch, classes]`.
    ///
    /// # Panics
    /// When the images have another size or another number of channels.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let maps = self.stages.iter().fold(images, |maps, stage| stage.forward(maps));
        self.output.forward(relu(self.hidden.forward(maps.flatten(1, 3))))
    }
}

impl Stage {
    /// From `[batch, channels in, height, width]` to `[batch, channels out, height / 2, width / 2]`.
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let maps = self.convolution.forward(maps);
        let maps = match &self.norm {
            Some(norm) => norm.forward(maps),
            None => maps,
        };
        self.pool.forward(relu(maps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_have_one_row_an_image() {
        let device = Device::default();
        let images = Tensor::ones([2, 1, 28, 28], &device);
        assert_eq!(CnnConfig::new().init(&device).forward(images.clone()).dims(), [2, 10]);
        let normed = CnnConfig::new().with_channels([8, 16, 24]).with_groups(Some(4)).with_classes(3).init(&device);
        assert_eq!(normed.forward(images).dims(), [2, 3]);
    }

    #[test]
    fn three_pools_leave_nine_pixels_a_channel() {
        let model = CnnConfig::new().init(&Device::default());
        let convolutions = 9 * (32 + 32 * 64 + 64 * 128) + 32 + 64 + 128;
        assert_eq!(model.num_params(), convolutions + 1152 * 256 + 256 + 2560 + 10);
    }
}
