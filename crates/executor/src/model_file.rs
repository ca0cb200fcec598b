//! Weights, graph and training state in one safetensors file.
use crate::error::{Error, Result};
use crate::import::parameter_names;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use supple_graph::{Array, Graph, Weights};

/// What stands beside the weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Name of the model.
    pub model: String,
    /// Name of the data it was trained on.
    pub data: String,
    /// Seed of the run that trained it.
    pub seed: u64,
    /// Training steps done.
    pub steps: usize,
    /// Free text: options of the run, as JSON.
    pub options: String,
}

/// A model as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// What it is.
    pub about: About,
    /// Its graph.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// The optimizer's memory; empty in a model that is done.
    pub slots: BTreeMap<String, Array>,
}

impl ModelFile {
    /// Reads a model.
    ///
    /// # Errors
    /// When the file is missing, truncated, or not a model of Supple; one line that names the file and the field.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
        Self::from_bytes(&bytes).map_err(|error| Error::file(path, error))
    }

    /// A fingerprint of graph and weights: 64-bit FNV-1a in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let mut hash = Fnv::default();
        hash.add(self.graph.to_json().as_bytes());
        for array in self.weights.values() {
            array.data().iter().for_each(|v| hash.add(&v.to_bits().to_le_bytes()));
        }
        format!("{:016x}", hash.0)
    }

    /// The bytes of a file with this model, the weights in 16 bits where `half`.
    ///
    /// # Errors
    /// When two tensors have one name.
    pub fn to_bytes(&self, half: bool) -> Result<Vec<u8>> {
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let named = self.weights.iter().map(|(&id, array)| (self.graph.node(id).name.clone(), array));
        let slots = self.slots.iter().map(|(name, array)| (name.clone(), array));
        let raw: Vec<(String, Vec<usize>, Vec<u8>)> =
            named.chain(slots).map(|(name, a)| (name, a.shape().to_vec(), encode(a.data(), half))).collect();
        let wrong = |error: &dyn std::fmt::Display| Error::new("model", error);
        let views = raw
            .iter()
            .map(|(name, shape, data)| Ok((name.clone(), TensorView::new(dtype, shape.clone(), data)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| wrong(&error))?;
        let about = serde_json::to_string(&self.about).map_err(|error| wrong(&error))?;
        let about = HashMap::from([("supple".to_owned(), about), ("graph".to_owned(), self.graph.to_json())]);
        serialize(views, Some(about)).map_err(|error| wrong(&error))
    }

    /// Reads a model from the bytes of a file.
    ///
    /// # Errors
    /// When they are not a model of Supple.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Error::new("safetensors", error);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| wrong(&error))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| wrong(&error))?;
        let field = |name: &str| {
            let text = header.metadata().as_ref().and_then(|fields| fields.get(name));
            text.ok_or_else(|| Error::new(format!("metadata `{name}`"), "missing: not a model of Supple"))
        };
        let about = serde_json::from_str(field("supple")?).map_err(|error| Error::new("metadata `supple`", error))?;
        let graph = Graph::from_json(field("graph")?)?;
        let names = parameter_names(&graph);
        let (mut weights, mut slots) = (Weights::new(), BTreeMap::new());
        for (name, view) in tensors.tensors() {
            let array = floats(&name, &view)?;
            match names.get(&name) {
                Some(&id) => drop(weights.insert(id, array)),
                None => drop(slots.insert(name, array)),
            }
        }
        Ok(Self { about, graph, weights, slots })
    }
}

fn encode(values: &[f32], half: bool) -> Vec<u8> {
    if half {
        values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()
    } else {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Array> {
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        other => return Err(Error::new(name, format!("type {other:?}, expected F32 or F16"))),
    };
    Ok(Array::new(view.shape().to_vec(), values)?)
}

/// 64-bit FNV-1a.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
