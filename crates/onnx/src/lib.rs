#![doc = include_str!("../README.md")]
mod builder;
mod calculus;
mod call;
mod element;
pub mod error;
mod file;
mod fold;
mod importer;
mod names;
mod number;
mod operators;
pub mod options;
mod proto;
mod tensor;
mod window;
mod wire;

pub use error::{Error, ErrorKind, Result};
pub use options::Options;

use file::Beside;
use std::path::Path;
use supple_graph::{Graph, Weights};

/// Reads an ONNX file, plain or packed by gzip, and the files with its data beside it.
///
/// Inputs and weights have the names that they have in the file; the graph is named as the file's graph is.
///
/// # Errors
/// With the file, the node and its operator, when the file cannot be read, is no ONNX model, leaves a length open that is neither the batch nor
/// in the options, or needs what the importer has not.
pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<(Graph, Weights)> {
    let path = path.as_ref();
    let import = || {
        let bytes = file::read(path, options.largest)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let beside = Beside::read(folder, importer::locations(&bytes)?, options.largest)?;
        importer::import(&bytes, &beside, options)
    };
    import().map_err(|error: Error| error.in_file(path.display().to_string()))
}

/// Reads an ONNX model whose data stand all in `bytes`, which are not packed.
///
/// # Errors
/// As [`read`].
pub fn parse(bytes: &[u8], options: &Options) -> Result<(Graph, Weights)> {
    importer::import(bytes, &Beside::default(), options)
}
