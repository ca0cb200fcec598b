//! A multilayer perceptron; by default LeNet-300-100 (LeCun et al., "Gradient-Based Learning Applied to Document
//! Recognition", 1998).
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// The sizes of an [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// The number of features before the first layer and after each layer.
    #[config(default = "vec![784, 300, 100, 10]")]
    pub widths: Vec<usize>,
}

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl MlpConfig {
    /// A freshly initialised model on `device`.
    pub fn init(&self, device: &Device) -> Mlp {
        let layer = |ends: &[usize]| LinearConfig::new(ends[0], ends[1]).init(device);
        Mlp { layers: self.widths.windows(2).map(layer).collect() }
    }
}

impl Mlp {
    /// From images `[batch, channels, height, width]` to logits `[batch, classes]`.
    ///
    /// # Panics
    /// When an image does not have as many values as the first width.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut features = images.flatten(1, 3);
        for (depth, layer) in self.layers.iter().enumerate() {
            features = layer.forward(if depth == 0 { features } else { relu(features) });
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_have_one_row_an_image() {
        let device = Device::default();
        let images = Tensor::ones([5, 1, 28, 28], &device);
        assert_eq!(MlpConfig::new().init(&device).forward(images.clone()).dims(), [5, 10]);
        let wide = MlpConfig::new().with_widths(vec![784, 500, 500, 7]).init(&device);
        assert_eq!(wide.forward(images).dims(), [5, 7]);
    }

    #[test]
    fn it_has_the_weights_of_lenet_300_100() {
        let model = MlpConfig::new().init(&Device::default());
        assert_eq!(model.num_params(), 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10);
    }
}
