//! A block of a transformer (Vaswani et al., "Attention Is All You Need", 2017), with the norms before attention and perceptron.
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor};

/// The sizes of a [`Block`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockConfig {
    pub heads: usize,
    /// The features of one head; the block is `heads * head_width` wide.
    pub head_width: usize,
    /// The perceptron is so many times as wide as the block.
    pub expansion: usize,
}

/// Self-attention and perceptron, each added to what it reads.
#[derive(Module, Debug)]
pub(crate) struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    perceptron_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    head_width: usize,
}

impl BlockConfig {
    fn width(&self) -> usize {
        self.heads * self.head_width
    }

    pub fn init(&self, device: &Device) -> Block {
        let (width, wide) = (self.width(), self.width() * self.expansion);
        Block {
            attention_norm: LayerNormConfig::new(width).init(device),
            attention: self.attention(device),
            perceptron_norm: LayerNormConfig::new(width).init(device),
            widen: LinearConfig::new(width, wide).init(device),
            narrow: LinearConfig::new(wide, width).init(device),
        }
    }

    fn attention(&self, device: &Device) -> Attention {
        let linear = || LinearConfig::new(self.width(), self.width()).init(device);
        Attention {
            query: linear(),
            key: linear(),
            value: linear(),
            output: linear(),
            heads: self.heads,
            head_width: self.head_width,
        }
    }
}

impl Block {
    /// Keeps the shape `[batch, time, width]`. The mask, `[1, 1, time, time]`, is added to the scores.
    pub fn forward(&self, features: Tensor<3>, mask: Option<&Tensor<4>>) -> Tensor<3> {
        let attended = self.attention.forward(self.attention_norm.forward(features.clone()), mask);
        let features = features + attended;
        let wide = gelu(self.widen.forward(self.perceptron_norm.forward(features.clone())));
        features + self.narrow.forward(wide)
    }
}

impl Attention {
    /// `softmax(q k' / sqrt(head_width) + mask) v` in every head; keeps the shape `[batch, time, width]`.
    fn forward(&self, features: Tensor<3>, mask: Option<&Tensor<4>>) -> Tensor<3> {
        let [batch, time, _] = features.dims();
        let query = self.split(self.query.forward(features.clone()));
        let key = self.split(self.key.forward(features.clone()));
        let value = self.split(self.value.forward(features));
        let mut scores = query.matmul(key.swap_dims(2, 3)) / (self.head_width as f32).sqrt();
        if let Some(mask) = mask {
            scores = scores + mask.clone();
        }
        let mixed = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        self.output.forward(mixed.reshape([batch, time, self.heads * self.head_width]))
    }

    /// From `[batch, time, width]` to `[batch, heads, time, head_width]`.
    fn split(&self, features: Tensor<3>) -> Tensor<4> {
        let [batch, time, _] = features.dims();
        features.reshape([batch, time, self.heads, self.head_width]).swap_dims(1, 2)
    }
}
