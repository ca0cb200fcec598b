//! What a caller may say about a file.
use std::collections::BTreeMap;

/// What a caller may say about a file. The default takes the file at its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lengths of axes that the file only names (`sequence`), by that name; an axis without a name is called `INPUT[AXIS]`. The name of the
    /// batch may stand here too: it is fixed then.
    pub lengths: BTreeMap<String, usize>,
    /// Whether a leading axis of length one of all inputs with two or more axes is taken for the batch.
    pub open_batch: bool,
    /// Largest size of a file, of a file unpacked, and of each file with its data, in bytes.
    pub largest: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { lengths: BTreeMap::new(), open_batch: false, largest: 4 << 30 }
    }
}

impl Options {
    /// The same options with the length of an axis that the file only names.
    #[must_use]
    pub fn with_length(mut self, name: impl Into<String>, length: usize) -> Self {
        self.lengths.insert(name.into(), length);
        self
    }
}
