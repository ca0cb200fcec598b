//! Another program that times the same shapes.
use super::case::Times;
use super::error::Error;
use super::shapes::Shape;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A script that is run as `PYTHON SCRIPT --threads N --shapes FILE` and prints a JSON object for each shape with `forward_ms` and `backward_ms`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The script.
    pub script: PathBuf,
    /// The Python that runs it.
    pub python: PathBuf,
}

impl Peer {
    /// The peer's times for one shape.
    ///
    /// # Errors
    /// When it does not run, or says something else.
    pub fn ask(&self, shape: &Shape, threads: usize) -> Result<Times, Error> {
        let file = std::env::temp_dir().join(format!("supple-shape-{}.json", std::process::id()));
        std::fs::write(&file, shape.file().to_string()).map_err(|error| Error::File(file.clone(), error))?;
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg("--threads").arg(threads.to_string()).arg("--shapes").arg(&file);
        let output = command.stderr(Stdio::inherit()).output();
        let removed = std::fs::remove_file(&file);
        let output = output.map_err(|error| Error::File(self.python.clone(), error))?;
        removed.map_err(|error| Error::File(file, error))?;
        let script = self.script.display();
        if !output.status.success() {
            return Err(Error::Peer(format!("{script}: {}", output.status)));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let nothing = || Error::Peer(format!("{script} gave no times for {}", shape.label()));
        said.lines().find_map(times).ok_or_else(nothing)
    }
}

/// The times of a line about the dense format.
fn times(line: &str) -> Option<Times> {
    let value: Value = serde_json::from_str(line).ok()?;
    let dense = value["format"].as_str() == Some("dense");
    let times = Times { forward: value["forward_ms"].as_f64()?, backward: value["backward_ms"].as_f64()? };
    dense.then_some(times)
}
