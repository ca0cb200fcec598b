//! What is known of a tensor before it exists.
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DType {
    /// 32-bit floats.
    F32,
    /// Whole numbers: token ids, indices.
    I64,
    /// Truth values: 0 and 1.
    Bool,
}

impl DType {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I64 => 8,
            Self::Bool => 1,
        }
    }
}

/// Length of an axis: a number, or a multiple of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dim {
    /// This many elements.
    Fixed(usize),
    /// This many elements for each sample of the batch.
    Batch(usize),
}

impl Dim {
    /// Elements at a batch of `batch` samples.
    pub fn at(self, batch: usize) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::Batch(n) => n.saturating_mul(batch),
        }
    }

    /// Elements a sample: the number itself, or the multiple of the batch.
    pub fn count(self) -> usize {
        self.at(1)
    }

    /// Whether the length follows the batch.
    pub fn is_batch(self) -> bool {
        matches!(self, Self::Batch(_))
    }

    /// The length of axes made one; `None` when more than one of them follows the batch.
    pub fn product(dims: &[Self]) -> Option<Self> {
        let count = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(dim.count()))?;
        match dims.iter().filter(|dim| dim.is_batch()).count() {
            0 => Some(Self::Fixed(count)),
            1 => Some(Self::Batch(count)),
            _ => None,
        }
    }

    /// The same sort of length with another count.
    #[must_use]
    pub fn with_count(self, count: usize) -> Self {
        match self {
            Self::Fixed(_) => Self::Fixed(count),
            Self::Batch(_) => Self::Batch(count),
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Batch(1) => write!(f, "batch"),
            Self::Batch(n) => write!(f, "{n}*batch"),
        }
    }
}

/// What is known of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// Type of the elements.
    pub dtype: DType,
    /// Lengths of the axes, outermost first.
    pub shape: Vec<Dim>,
}

impl Fact {
    /// A fact about floats.
    pub fn f32(shape: impl Into<Vec<Dim>>) -> Self {
        Self { dtype: DType::F32, shape: shape.into() }
    }

    /// A fact about floats of a fixed shape.
    pub fn fixed(shape: &[usize]) -> Self {
        Self::f32(shape.iter().map(|&n| Dim::Fixed(n)).collect::<Vec<_>>())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The shape at a batch of `batch` samples.
    pub fn shape_at(&self, batch: usize) -> Vec<usize> {
        self.shape.iter().map(|dim| dim.at(batch)).collect()
    }

    /// The number of samples in an array of `shape`; `None` when no axis follows the batch.
    ///
    /// # Errors
    /// When the array is not one of these.
    pub fn samples(&self, shape: &[usize]) -> Result<Option<usize>> {
        let samples = self.shape.iter().zip(shape).find_map(|(dim, &length)| match *dim {
            Dim::Batch(count) => length.checked_div(count),
            Dim::Fixed(_) => None,
        });
        let fits = self.shape_at(samples.unwrap_or(1)) == shape;
        if fits { Ok(samples) } else { Err(Error::new("array", format!("{shape:?}, expected {self}"))) }
    }

    /// The same fact with the batch written out.
    #[must_use]
    pub fn at_batch(&self, batch: usize) -> Self {
        Self { dtype: self.dtype, shape: self.shape_at(batch).into_iter().map(Dim::Fixed).collect() }
    }

    /// Elements, a batch axis counted for one sample.
    pub fn elements(&self) -> f64 {
        self.shape.iter().map(|dim| dim.count() as f64).product()
    }

    /// Bytes, a batch axis counted for one sample.
    pub fn bytes(&self) -> f64 {
        self.dtype.bytes() as f64 * self.elements()
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.shape.iter().map(Dim::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}
