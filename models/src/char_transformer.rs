//! A decoder-only transformer over characters (Vaswani et al., "Attention Is All You Need", 2017), with the norms
//! before attention and perceptron.
use crate::block::{Block, BlockConfig};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The standard deviation of fresh embeddings.
const SPREAD: f64 = 0.02;
/// Added to the score of a later position: no attention is left for it after the softmax.
const LATER: f32 = -1e9;

/// The sizes of a [`CharTransformer`].
#[derive(Config, Debug)]
pub struct CharTransformerConfig {
    /// The number of different tokens.
    pub vocabulary: usize,
    /// The most positions of a sequence.
    pub context: usize,
    /// The number of blocks.
    #[config(default = 4)]
    pub layers: usize,
    /// The attention heads of a block.
    #[config(default = 4)]
    pub heads: usize,
    /// The features of one head; the model is `heads * head_width` wide.
    #[config(default = 32)]
    pub head_width: usize,
    /// The perceptron of a block is so many times as wide as the model.
    #[config(default = 4)]
    pub expansion: usize,
}

/// Token and position embedding, blocks of causal self-attention and perceptron, and logits over the vocabulary.
#[derive(Module, Debug)]
pub struct CharTransformer {
    tokens: Embedding,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    output: Linear,
}

impl CharTransformerConfig {
    /// The features at each position: `heads * head_width`.
    pub fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// A freshly initialised model on `device`.
    pub fn init(&self, device: &Device) -> CharTransformer {
        let spread = Initializer::Normal { mean: 0.0, std: SPREAD };
        let tokens = EmbeddingConfig::new(self.vocabulary, self.width()).with_initializer(spread.clone());
        let block = BlockConfig { heads: self.heads, head_width: self.head_width, expansion: self.expansion };
        CharTransformer {
            tokens: tokens.init(device),
            positions: spread.init([self.context, self.width()], device),
            blocks: (0..self.layers).map(|_| block.init(device)).collect(),
            norm: LayerNormConfig::new(self.width()).init(device),
            output: LinearConfig::new(self.width(), self.vocabulary).init(device),
        }
    }
}

impl CharTransformer {
    /// From tokens `[batch, time]` to the logits of each next token, `[batch, time, vocabulary]`.
    ///
    /// # Panics
    /// When `time` is over the context, or a token is not in the vocabulary.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [_, time] = tokens.dims();
        let mask = causal_mask(time, &tokens.device());
        let embedded = self.tokens.forward(tokens) + self.positions_until(time);
        let features = self.blocks.iter().fold(embedded, |features, block| block.forward(features, Some(&mask)));
        self.output.forward(self.norm.forward(features))
    }

    /// The embeddings of the first positions, `[1, time, width]`.
    fn positions_until(&self, time: usize) -> Tensor<3> {
        let positions = self.positions.val();
        let [context, width] = positions.dims();
        let first = if time == context { positions } else { positions.slice([0..time, 0..width]) };
        first.unsqueeze()
    }
}

/// What is added to the scores, `[1, 1, time, time]`: nothing up to a position itself, [`LATER`] beyond it.
fn causal_mask(time: usize, device: &Device) -> Tensor<4> {
    let mask: Vec<f32> = (0..time * time).map(|at| if at % time > at / time { LATER } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new(mask, [1, 1, time, time]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(device: &Device) -> CharTransformer {
        CharTransformerConfig::new(14, 9).with_layers(2).with_heads(2).with_head_width(8).init(device)
    }

    fn tokens(values: &[i32], device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
    }

    #[test]
    fn there_are_logits_at_every_position() {
        let device = Device::default();
        let model = small(&device);
        for time in [1, 4, 9] {
            let sequences = Tensor::<2, Int>::zeros([3, time], &device);
            assert_eq!(model.forward(sequences).dims(), [3, time, 14]);
        }
    }

    #[test]
    fn no_position_sees_a_later_one() {
        let device = Device::default();
        let model = small(&device);
        let logits = |values| model.forward(tokens(values, &device)).into_data().try_to_vec::<f32>().unwrap();
        let (one, other) = (logits(&[1, 2, 3, 4, 5]), logits(&[1, 2, 3, 9, 0]));
        assert_eq!(one[..3 * 14], other[..3 * 14]);
        assert_ne!(one[3 * 14..], other[3 * 14..]);
    }

    #[test]
    fn the_mask_is_zero_up_to_the_diagonal() {
        let mask = causal_mask(3, &Device::default()).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(mask, [0., LATER, LATER, 0., 0., LATER, 0., 0., 0.]);
    }
}
