//! What is measured.
use crate::attention::Attention;
use crate::layer::Layer;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A layer.
    Layer(Layer),
    /// An attention.
    Attention(Attention),
}

impl Subject {
    /// Floating-point operations of one pass forward, two for each multiply-add.
    pub fn flops(&self) -> f64 {
        match self {
            Self::Layer(layer) => layer.flops(),
            Self::Attention(attention) => attention.flops(),
        }
    }

    /// Bytes of all operands of one pass, each once, with this part of a layer's weights.
    pub fn bytes(&self, density: f64) -> f64 {
        match self {
            Self::Layer(layer) => layer.bytes(density),
            Self::Attention(attention) => attention.bytes(),
        }
    }
}
