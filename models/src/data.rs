//! A data set in memory: rows of inputs, and the targets of each row.
use crate::error::{Error, ErrorKind, Result};
use supple_executor::{Batch, IGNORED};
use supple_graph::Array;

/// Rows of inputs with their targets: one part of a data set.
///
/// Inputs that are tokens are whole numbers stored as `f32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    inputs: Vec<f32>,
    row_shape: Vec<usize>,
    targets: Vec<u32>,
    per_row: usize,
    exact: bool,
}

impl Split {
    /// Rows of `row_shape`, one behind the other, with `per_row` targets each.
    ///
    /// `exact`: a row is right only when all its counted targets are right; otherwise every target counts by itself.
    ///
    /// # Errors
    /// When a size is zero, or `inputs` and `targets` don't hold the same whole number of rows.
    pub fn new(
        inputs: Vec<f32>,
        row_shape: Vec<usize>,
        targets: Vec<u32>,
        per_row: usize,
        exact: bool,
    ) -> Result<Self> {
        let width: usize = row_shape.iter().product();
        let rows = whole_rows("inputs", inputs.len(), width)?;
        let answers = whole_rows("targets", targets.len(), per_row)?;
        if rows != answers {
            return Err(Error::new(ErrorKind::Count, "split", "rows of targets", rows, answers));
        }
        Ok(Self { inputs, row_shape, targets, per_row, exact })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.targets.len() / self.per_row
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The shape of one row of the input, without the batch.
    pub fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    /// The inputs of all rows, one behind the other.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// The targets of all rows, one behind the other; [`IGNORED`] ones don't count.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The number of targets of one row.
    pub fn per_row(&self) -> usize {
        self.per_row
    }

    /// Whether a row is right only when all its counted targets are right.
    pub fn exact(&self) -> bool {
        self.exact
    }

    /// The rows with these indices, in this order; an index may come more than once.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len), as slices do.
    pub fn batch(&self, rows: &[usize]) -> Batch {
        let shape: Vec<usize> = std::iter::once(rows.len()).chain(self.row_shape.iter().copied()).collect();
        let width = self.row_shape.iter().product::<usize>();
        Batch {
            input: rows_as_array(shape, gather(&self.inputs, rows, width)),
            targets: gather(&self.targets, rows, self.per_row),
            per_row: self.per_row,
            exact: self.exact,
        }
    }

    /// The first `n` rows, or all where there are fewer.
    pub fn take(&self, n: usize) -> Self {
        let n = n.min(self.len());
        let width: usize = self.row_shape.iter().product();
        Self {
            inputs: self.inputs[..n * width].to_vec(),
            row_shape: self.row_shape.clone(),
            targets: self.targets[..n * self.per_row].to_vec(),
            ..*self
        }
    }
}

/// The rows under their shape, which holds exactly as many elements.
fn rows_as_array(shape: Vec<usize>, rows: Vec<f32>) -> Array {
    let mut values = rows.into_iter();
    Array::from_fn(&shape, |_| values.next().unwrap_or(0.0))
}

fn whole_rows(field: &str, len: usize, width: usize) -> Result<usize> {
    let uneven = || Error::new(ErrorKind::Count, "split", field, format!("a multiple of the row's {width}"), len);
    if width == 0 || !len.is_multiple_of(width) { Err(uneven()) } else { Ok(len / width) }
}

fn gather<T: Copy>(all: &[T], rows: &[usize], width: usize) -> Vec<T> {
    rows.iter().flat_map(|row| &all[row * width..(row + 1) * width]).copied().collect()
}

/// A data set: what to learn from, and what to be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// What it is called.
    pub name: String,
    /// The number of classes: every target is below it, or [`IGNORED`].
    pub classes: usize,
    /// What each token stands for, where the inputs are tokens.
    pub vocabulary: Option<Vec<char>>,
    /// The rows to learn from.
    pub train: Split,
    /// The rows to be judged by: none of them is in `train`.
    pub held_out: Split,
}

impl Data {
    /// A data set whose inputs are numbers, not tokens.
    ///
    /// # Errors
    /// When a split is empty, a target is not below `classes`, or the rows of the splits differ in shape.
    pub fn new(name: &str, classes: usize, train: Split, held_out: Split) -> Result<Self> {
        for (part, split) in [("train", &train), ("held_out", &held_out)] {
            if split.is_empty() {
                return Err(Error::new(ErrorKind::Count, name, part, "at least one row", "none"));
            }
            check_targets(name, part, split, classes)?;
        }
        let (expected, found) = (train.row_shape(), held_out.row_shape());
        if expected != found {
            let [expected, found] = [expected, found].map(|shape| format!("{shape:?}"));
            return Err(Error::new(ErrorKind::Count, name, "shape of a held-out row", expected, found));
        }
        Ok(Self { name: name.into(), classes, vocabulary: None, train, held_out })
    }

    /// A data set whose inputs and targets are indices into `vocabulary`.
    ///
    /// # Errors
    /// As [`new`](Self::new), with one class a character.
    pub fn of_tokens(name: &str, vocabulary: Vec<char>, train: Split, held_out: Split) -> Result<Self> {
        let data = Self::new(name, vocabulary.len(), train, held_out)?;
        Ok(Self { vocabulary: Some(vocabulary), ..data })
    }
}

fn check_targets(name: &str, part: &str, split: &Split, classes: usize) -> Result<()> {
    match split.targets().iter().find(|&&target| target != IGNORED && target as usize >= classes) {
        None => Ok(()),
        Some(found) => {
            let expected = format!("below {classes}, or ignored");
            Err(Error::new(ErrorKind::Range, name, format!("{part} target"), expected, found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(rows: usize, width: usize, per_row: usize) -> Split {
        let inputs = (0..rows * width).map(|i| i as f32).collect();
        let targets = (0..rows * per_row).map(|i| i as u32).collect();
        Split::new(inputs, vec![width], targets, per_row, false).unwrap()
    }

    proptest! {
        #[test]
        fn a_batch_of_all_rows_is_the_split(rows in 1usize..9, width in 1usize..5, per_row in 1usize..4) {
            let split = counted(rows, width, per_row);
            let batch = split.batch(&(0..rows).collect::<Vec<_>>());
            prop_assert_eq!(batch.input.data(), split.inputs());
            prop_assert_eq!(&batch.targets[..], split.targets());
            prop_assert_eq!(batch.input.shape(), [rows, width]);
        }

        #[test]
        fn taking_keeps_the_first_rows(rows in 1usize..9, n in 0usize..12, per_row in 1usize..4) {
            let (split, kept) = (counted(rows, 3, per_row), rows.min(n));
            let taken = split.take(n);
            prop_assert_eq!(taken.len(), kept);
            let first: Vec<_> = (0..kept).collect();
            prop_assert_eq!(taken.batch(&first), split.batch(&first));
        }
    }

    #[test]
    fn a_batch_follows_the_order_asked_for() {
        let batch = counted(3, 2, 1).batch(&[2, 0, 2]);
        assert_eq!(batch.input.data(), [4., 5., 0., 1., 4., 5.]);
        assert_eq!(batch.targets, [2, 0, 2]);
    }

    #[test]
    fn sizes_that_disagree_are_refused() {
        for (inputs, width, targets, per_row) in [(5, 2, 2, 1), (4, 2, 3, 1), (4, 2, 3, 2), (4, 0, 2, 1), (4, 2, 2, 0)]
        {
            let split = Split::new(vec![0.; inputs], vec![width], vec![0; targets], per_row, true);
            assert_eq!(split.unwrap_err().kind(), ErrorKind::Count);
        }
    }

    #[test]
    fn data_checks_its_splits() {
        let kind = |train, held_out| Data::new("test", 3, train, held_out).unwrap_err().kind();
        assert_eq!(kind(counted(3, 2, 1), counted(4, 2, 1)), ErrorKind::Range);
        assert_eq!(kind(counted(3, 2, 1), counted(3, 1, 1)), ErrorKind::Count);
        assert_eq!(kind(counted(3, 2, 1), counted(3, 2, 1).take(0)), ErrorKind::Count);
        let ignored = Split::new(vec![0.; 2], vec![2], vec![IGNORED], 1, true).unwrap();
        assert!(Data::new("test", 3, counted(3, 2, 1), ignored).is_ok());
    }
}
