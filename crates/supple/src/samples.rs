//! Held-out rows, cut into those that measure a ladder and those that requests ask about.
use supple_executor::Batch;
use supple_models::Split;

/// Every second held-out row, from the first on: what ladders are measured on. At most `limit` rows, in batches of `size`.
pub fn calibration(split: &Split, limit: usize, size: usize) -> Vec<Batch> {
    let rows: Vec<usize> = (0..split.len()).step_by(2).take(limit).collect();
    rows.chunks(size).map(|rows| split.batch(rows)).collect()
}

/// Every second held-out row, from the second on: what requests ask about, and final accuracy is told on.
pub fn fresh(split: &Split, size: usize) -> Vec<Batch> {
    let rows: Vec<usize> = (1..split.len()).step_by(2).collect();
    rows.chunks_exact(size.clamp(1, rows.len().max(1))).map(|rows| split.batch(rows)).collect()
}
