//! Fills the corpora `onnx` and `graph` with the small models that the tests of the importer have.
use std::ffi::OsStr;
use std::fs::{create_dir_all, read_dir, write};
use std::path::Path;
use supple_onnx::{Options, read};

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpora = ["onnx", "graph"].map(|target| here.join("corpus").join(target));
    corpora.iter().try_for_each(create_dir_all)?;
    for file in read_dir(here.join("../crates/onnx/tests/nodes"))? {
        let file = file?.path();
        let name = file.file_name().unwrap_or_default();
        if file.extension() == Some(OsStr::new("onnx")) {
            std::fs::copy(&file, corpora[0].join(name))?;
            let graph = read(&file, &Options::default()).map(|(graph, _)| graph.to_json());
            graph.map_or(Ok(()), |text| write(corpora[1].join(name).with_extension("json"), text))?;
        }
    }
    Ok(())
}
