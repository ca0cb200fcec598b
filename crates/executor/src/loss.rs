//! Cross-entropy on tensors of any rank, and how good outputs are.
use crate::error::{Error, Result};
use crate::tensor::{Any, lengths};
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Shape, TensorData};
use serde::{Deserialize, Serialize};
use supple_graph::Array;

/// A target that does not count.
pub const IGNORED: u32 = u32::MAX;

/// Inputs with what their outputs should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Inputs, the first axis the batch.
    pub input: Array,
    /// Class of each output row, or [`IGNORED`].
    pub targets: Vec<u32>,
    /// Output rows a sample.
    pub per_row: usize,
    /// A sample is right only when all of its rows are, and counts once; otherwise every row counts.
    pub exact: bool,
}

/// Right answers among all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Right answers.
    pub right: u32,
    /// Answers.
    pub of: u32,
}

impl Score {
    /// The part that is right; zero of nothing.
    pub fn accuracy(self) -> f64 {
        if self.of == 0 { 0.0 } else { f64::from(self.right) / f64::from(self.of) }
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.of += other.of;
    }
}

impl Batch {
    /// How good `logits` (classes innermost) are.
    pub fn score(&self, logits: &Array) -> Score {
        let classes = logits.shape().last().copied().unwrap_or(1).max(1);
        let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as u32);
        let hits: Vec<Option<bool>> = logits
            .data()
            .chunks(classes)
            .zip(&self.targets)
            .map(|(row, &target)| (target != IGNORED).then(|| best(row) == Some(target)))
            .collect();
        let mut score = Score::default();
        for sample in hits.chunks(if self.exact { self.per_row.max(1) } else { 1 }) {
            let counted: Vec<bool> = sample.iter().copied().flatten().collect();
            score.of += u32::from(!counted.is_empty());
            score.right += u32::from(!counted.is_empty() && counted.into_iter().all(|hit| hit));
        }
        score
    }

    /// Sum of the cross-entropies of the rows that count, in nats, and their number; `logits` have the classes innermost.
    ///
    /// # Errors
    /// When a target is no class.
    pub fn cross_entropy(&self, logits: &Array) -> Result<(f64, usize)> {
        let classes = logits.shape().last().copied().unwrap_or(1).max(1);
        let (mut sum, mut counted) = (0.0, 0);
        for (row, &target) in logits.data().chunks(classes).zip(&self.targets) {
            if target == IGNORED {
                continue;
            }
            let wrong = || Error::new("target", format!("class {target}, expected below {classes}"));
            let logit = *row.get(target as usize).ok_or_else(wrong)?;
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let partition: f64 = row.iter().map(|v| f64::from(v - top).exp()).sum();
            sum += partition.ln() - f64::from(logit - top);
            counted += 1;
        }
        Ok((sum, counted))
    }

    /// One row of probabilities a target; rows of ignored targets are zero. Returns the number of rows that count.
    pub(crate) fn one_hot(&self, classes: usize, device: &DispatchDevice) -> Result<(Any, usize)> {
        let mut data = vec![0.0f32; self.targets.len() * classes];
        let mut counted = 0;
        for (row, &target) in data.chunks_mut(classes).zip(&self.targets) {
            if target == IGNORED {
                continue;
            }
            let wrong = || Error::new("target", format!("class {target}, expected below {classes}"));
            *row.get_mut(target as usize).ok_or_else(wrong)? = 1.0;
            counted += 1;
        }
        let data = TensorData::new(data, vec![self.targets.len(), classes]);
        Ok((Dispatch::float_from_data(data, device), counted))
    }
}

/// Logits as `[rows, classes]`.
pub(crate) fn rows(logits: Any) -> Any {
    let shape = lengths(&logits);
    let classes = shape.last().copied().unwrap_or(1).max(1);
    let rows = shape.iter().product::<usize>() / classes;
    Dispatch::float_reshape(logits, Shape::from(vec![rows, classes]))
}

/// Mean of `-sum p log q` over `counted` rows: `logits` give q, `probabilities` are p.
pub(crate) fn cross_entropy(logits: Any, probabilities: Any, counted: usize) -> Any {
    let log = Dispatch::log_softmax(logits, 1);
    let sum = Dispatch::float_sum(Dispatch::float_mul(log, probabilities));
    Dispatch::float_mul_scalar(sum, (-1.0 / counted.max(1) as f64).into())
}
