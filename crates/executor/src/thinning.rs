//! Which weights within layers a trainer leaves, for some steps at a time.
use crate::blocks::Blocks;
use crate::bridge::Thinned;
use crate::device::Backend;
use crate::error::Result;
use crate::region::Region;
use crate::tensor::{Any, download, truths, upload};
use std::collections::HashMap;
use std::sync::Arc;
use supple_graph::{Array, Choice, DType, NodeId};

/// Steps for which a setting leaves the same weights within layers. Sparse training that drops and regrows weights does so every 100 steps or more
/// (Evci et al. 2020); choosing costs about as much as an eighth of a step.
pub const THINNING_STEPS: usize = 20;

/// Where weights are there: truth values in the shape of a layer's weights.
#[derive(Clone, Debug)]
pub(crate) struct There {
    pub tensor: Any,
    /// The same in the processor's memory, where they came from it.
    known: Option<Arc<[bool]>>,
}

impl There {
    fn of(mask: &Array, backend: Backend) -> Self {
        let tensor = upload(mask, DType::Bool, backend.device().as_dispatch());
        Self { tensor, known: Some(mask.data().iter().map(|&there| there != 0.0).collect()) }
    }

    /// Reads them back now, so that [`truths`](Self::truths) cannot fail.
    ///
    /// # Errors
    /// When the backend fails to tell.
    pub fn read(&mut self) -> Result<()> {
        self.known = Some(self.truths()?);
        Ok(())
    }

    /// Every one of them.
    ///
    /// # Errors
    /// When the backend fails to tell.
    pub fn truths(&self) -> Result<Arc<[bool]>> {
        self.known.clone().map_or_else(|| Ok(truths(self.tensor.clone())?.into()), Ok)
    }
}

impl From<Any> for There {
    fn from(tensor: Any) -> Self {
        Self { tensor, known: None }
    }
}

/// The weights that a choice leaves of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub blocks: Blocks,
    pub there: There,
    /// The same as factors, one or zero.
    pub mask: Any,
}

/// What was chosen by the magnitudes of the weights, each time of a layer as a setting leaves it.
#[derive(Debug)]
pub(crate) struct Thinning {
    every: usize,
    age: usize,
    left: HashMap<(NodeId, Option<Region>, Choice), Left>,
}

impl Default for Thinning {
    fn default() -> Self {
        Self::every(THINNING_STEPS)
    }
}

impl Thinning {
    /// Chooses anew every so many steps.
    pub fn every(steps: usize) -> Self {
        Self { every: steps.max(1), age: 0, left: HashMap::new() }
    }

    /// One step begins.
    pub fn step(&mut self) {
        if self.age == 0 {
            self.left.clear();
        }
        self.age = (self.age + 1) % self.every;
    }

    /// What is chosen at the next step is chosen by the weights as they are then.
    pub fn forget(&mut self) {
        self.age = 0;
        self.left.clear();
    }

    /// What is left of a layer whose `weights` are those of `region`.
    ///
    /// # Errors
    /// When the weights cannot be read or the operator has no such blocks.
    pub fn left(&mut self, thinned: &Thinned, region: Option<&Region>, weights: Any, backend: Backend) -> Result<Left> {
        let key = (thinned.weight, region.cloned(), thinned.choice);
        if let Some(left) = self.left.get(&key) {
            return Ok(left.clone());
        }
        let device = backend.device();
        let blocks = Blocks::best(&thinned.op, &download(weights)?, thinned.choice)?;
        let mask = blocks.mask()?;
        let there = There::of(&mask, backend);
        let mask = upload(&mask, DType::F32, device.autodiff().as_dispatch());
        let left = Left { blocks, there, mask };
        self.left.insert(key, left.clone());
        Ok(left)
    }
}
