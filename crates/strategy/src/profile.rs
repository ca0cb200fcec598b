//! What settings cost on one machine.
use crate::amounts::Amounts;
use crate::break_even::{LayerTimes, check_layers};
use crate::error::Error;
use crate::ladder::{Spread, Stamp};
use serde::{Deserialize, Serialize};
use supple_graph::{Setting, Work};

/// One measured setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What was run.
    pub setting: Setting,
    /// The work in it, for one request.
    pub work: Work,
    /// The time it took at full share.
    pub service: Spread,
}

impl Entry {
    /// Median cost.
    pub fn cost(&self) -> Amounts {
        Amounts { seconds: self.service.median(), resident: self.work.resident, moved: self.work.moved, joules: 0.0 }
    }
}

/// Settings measured on one machine, the densest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// What it was measured on.
    pub stamp: Stamp,
    /// The measured settings.
    pub entries: Vec<Entry>,
    /// The measured layers: where blocks pay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerTimes>,
}

impl Profile {
    /// Whether there is a dense entry to compare with and all numbers make sense; call it after reading one from a file.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Error> {
        if !self.entries.first().is_some_and(|entry| entry.setting.is_dense()) {
            return Err(Error::new("entries[0].setting", "the dense setting"));
        }
        for (i, entry) in self.entries.iter().enumerate() {
            let points = entry.service.points();
            if points.is_empty() || points.iter().any(|s| !s.is_finite() || *s < 0.0) {
                return Err(Error::new(format!("entries[{i}].service"), "finite, non-negative times"));
            }
        }
        check_layers(&self.layers)
    }

    /// The entry of a setting.
    pub fn find(&self, setting: &Setting) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.setting == *setting)
    }
}

impl Stamp {
    /// Whether what was measured under this stamp holds for `other`: the same weights on the same machine, backend, threads and batch.
    ///
    /// # Errors
    /// Names the first field that differs.
    pub fn matches(&self, other: &Self) -> Result<(), Error> {
        let fields = [
            ("model", self.model.clone(), other.model.clone()),
            ("weights", self.weights.clone(), other.weights.clone()),
            ("machine", self.machine.clone(), other.machine.clone()),
            ("backend", self.backend.clone(), other.backend.clone()),
            ("executor", self.executor.clone(), other.executor.clone()),
            ("threads", self.threads.to_string(), other.threads.to_string()),
            ("batch", self.batch.to_string(), other.batch.to_string()),
        ];
        match fields.into_iter().find(|(_, here, there)| here != there) {
            Some((name, here, there)) => Err(Error::new(format!("stamp.{name} = {here}"), there)),
            None => Ok(()),
        }
    }
}
