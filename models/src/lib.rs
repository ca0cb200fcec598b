//! Models and data of Supple: an MLP, a CNN and transformers over characters and over patches as Burn modules, and data sets to train them
//! on, two of which need no download: [`glyphs()`] and [`sums()`].
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use supple_models::{MlpConfig, glyphs};
//!
//! let data = glyphs(7, 100, 20)?;
//! let device = Device::default();
//! let model = MlpConfig::new().init(&device);
//!
//! let batch = data.train.batch(&[0, 1, 2, 3]);
//! let images = Tensor::<4>::from_data(TensorData::new(batch.input.data().to_vec(), batch.input.shape().to_vec()), &device);
//! let logits = model.forward(images);
//! assert_eq!(logits.dims(), [4, data.classes]);
//! assert_eq!(batch.targets, [0, 1, 2, 3]);
//! # Ok::<(), supple_models::Error>(())
//! ```
mod block;
mod canvas;
pub mod catalogue;
pub mod char_transformer;
pub mod cnn;
pub mod data;
pub mod error;
pub mod glyphs;
pub mod graphs;
pub mod idx;
pub mod mlp;
pub mod patch_transformer;
pub mod sums;
pub mod text;

pub use catalogue::{ModelName, load};
pub use char_transformer::{CharTransformer, CharTransformerConfig};
pub use cnn::{Cnn, CnnConfig};
pub use data::{Data, Split};
pub use error::{Error, ErrorKind};
pub use glyphs::glyphs;
pub use graphs::fresh;
pub use idx::mnist;
pub use mlp::{Mlp, MlpConfig};
pub use patch_transformer::{PatchTransformer, PatchTransformerConfig};
pub use sums::sums;
pub use text::text;
