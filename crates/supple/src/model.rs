//! A model with its graph, its weights and what they were trained on.
use crate::machine;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use supple_executor::{About, AdamConfig, Backend, Executor, ModelFile, Trainer};
use supple_graph::{Elastic, Weights};
use supple_models::{Data, ModelName};
use supple_sim::write_atomically;
use supple_strategy::Stamp;

/// The weights that Supple ships: an elastic CNN for glyphs.
const DEMO: &[u8] = include_bytes!("../../../models/weights/glyphs-cnn.safetensors");

/// A model, ready to be run or trained.
#[derive(Clone, Debug)]
pub struct Model {
    file: ModelFile,
    elastic: Arc<Elastic>,
}

impl Model {
    /// The model that Supple ships.
    ///
    /// # Errors
    /// When this build contains a broken one.
    pub fn demo() -> Result<Self> {
        Self::of(ModelFile::from_bytes(DEMO).context("the shipped model")?)
    }

    /// A freshly initialised model that fits `data`.
    ///
    /// # Errors
    /// When the data are not of the model's kind.
    pub fn fresh(name: ModelName, data: &Data, seed: u64) -> Result<Self> {
        let (graph, weights) = supple_models::fresh(name, data, seed)?;
        let about = About { model: name.to_string(), data: data.name.clone(), seed, ..About::default() };
        Self::of(ModelFile { about, graph, weights, slots: Default::default() })
    }

    /// The model in a file.
    ///
    /// # Errors
    /// When the file is missing, broken, or not a model of Supple.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(ModelFile::read(path)?)
    }

    /// A model from the parts of a file.
    ///
    /// # Errors
    /// When its graph is not well-formed.
    pub fn of(file: ModelFile) -> Result<Self> {
        let elastic = Arc::new(Elastic::new(file.graph.clone())?);
        Ok(Self { file, elastic })
    }

    /// Writes the model to a temporary file, then renames it; the weights in 16 bits where `half`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path, half: bool) -> Result<()> {
        Ok(write_atomically(path, &self.file.to_bytes(half)?)?)
    }

    /// What is known of it.
    pub fn about(&self) -> &About {
        &self.file.about
    }

    /// The parts of its file.
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// Its graph and sites.
    pub fn elastic(&self) -> &Arc<Elastic> {
        &self.elastic
    }

    /// Its weights.
    pub fn weights(&self) -> &Weights {
        &self.file.weights
    }

    /// Which of the models it is.
    ///
    /// # Errors
    /// When it is none that this version knows.
    pub fn name(&self) -> Result<ModelName> {
        Ok(self.file.about.model.parse()?)
    }

    /// An executor of it on one thread.
    ///
    /// # Errors
    /// When its weights do not fit its graph.
    pub fn executor(&self, backend: Backend) -> Result<Executor> {
        Ok(Executor::new(self.elastic.clone(), self.weights(), backend)?)
    }

    /// A trainer from its weights.
    ///
    /// # Errors
    /// When its weights do not fit its graph.
    pub fn trainer(&self, adam: AdamConfig, backend: Backend) -> Result<Trainer> {
        Ok(Trainer::new(self.elastic.clone(), self.weights(), adam, backend)?)
    }

    /// The stamp of what is measured of it here and now.
    pub fn stamp(&self, backend: Backend, threads: usize, batch: usize, data: &str) -> Stamp {
        Stamp {
            model: self.file.about.model.clone(),
            weights: self.file.fingerprint(),
            data: data.to_owned(),
            machine: machine::cpu_model(),
            backend: backend.to_string(),
            threads,
            batch,
            executor: env!("CARGO_PKG_VERSION").to_owned(),
            date: machine::today(),
        }
    }
}
