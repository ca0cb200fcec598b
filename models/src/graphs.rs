//! The models as graphs, captured from their Burn modules.
use crate::catalogue::ModelName;
use crate::char_transformer::CharTransformerConfig;
use crate::cnn::CnnConfig;
use crate::data::Data;
use crate::mlp::MlpConfig;
use crate::patch_transformer::PatchTransformerConfig;
use burn::tensor::Device;
use supple_executor::capture;
use supple_graph::{Graph, Weights};

/// The graph and the initial weights of a model that fits `data`. The same seed gives the same weights.
///
/// # Errors
/// When the module cannot be captured, or the data are not of its kind.
pub fn fresh(name: ModelName, data: &Data, seed: u64) -> supple_executor::Result<(Graph, Weights)> {
    let device = Device::default();
    device.seed(seed);
    let row = data.train.row_shape();
    match name {
        ModelName::Mlp => {
            let mlp = MlpConfig::new().init(&device);
            capture("mlp", &mlp, row, |mlp, images| mlp.forward(images))
        }
        ModelName::Cnn => {
            let cnn = CnnConfig::new().init(&device);
            capture("cnn", &cnn, row, |cnn, images| cnn.forward(images))
        }
        ModelName::Patches => {
            let side = row.last().copied().unwrap_or(1);
            let patches = PatchTransformerConfig::new(data.classes).with_side(side).init(&device);
            capture("patches", &patches, row, |patches, images| patches.forward(images))
        }
        ModelName::Chars => {
            let context = row.first().copied().unwrap_or(1);
            let chars = CharTransformerConfig::new(data.classes, context).init(&device);
            capture("chars", &chars, row, |chars, tokens| chars.forward(tokens))
        }
    }
}
