//! What is left of a value at a setting.
use crate::fact::Fact;
use std::ops::Range;

/// Elements of one axis that are kept: ranges in order, none empty, none touching the next. A batch axis counts for one sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(Vec<Range<usize>>);

impl Kept {
    /// All of `length` elements.
    pub fn all(length: usize) -> Self {
        Self::range(0..length)
    }

    /// The elements of one range.
    pub fn range(range: Range<usize>) -> Self {
        Self(if range.is_empty() { Vec::new() } else { vec![range] })
    }

    /// The elements whose flag is set.
    pub fn from_flags(flags: &[bool]) -> Self {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (at, _) in flags.iter().enumerate().filter(|&(_, &keep)| keep) {
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        Self(ranges)
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Number of elements kept.
    pub fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Elements kept among the first `at` ones.
    pub fn count_below(&self, at: usize) -> usize {
        self.0.iter().map(|range| range.end.min(at).saturating_sub(range.start)).sum()
    }

    /// The elements kept, in order.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// Those of them that are among `others`, where all that is left is `others`.
    #[must_use]
    pub fn within(&self, others: &Self) -> Self {
        let among = |range: &Range<usize>| others.count_below(range.start)..others.count_below(range.end);
        let mut flags = vec![false; others.count()];
        self.0.iter().for_each(|range| flags[among(range)].fill(true));
        Self::from_flags(&flags)
    }

    /// Whether only elements at the end are left out.
    pub fn is_prefix(&self) -> bool {
        self.0.len() <= 1 && self.0.first().is_none_or(|range| range.start == 0)
    }
}

/// What is left of a value at a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// What is known of all of it.
    pub dense: Fact,
    /// What is known of what is left.
    pub left: Fact,
    /// The elements that are left, on each axis.
    pub kept: Vec<Kept>,
}

impl Extent {
    /// All of a value.
    pub fn all(fact: &Fact) -> Self {
        let kept = fact.shape.iter().map(|dim| Kept::all(dim.count())).collect();
        Self::new(fact, kept)
    }

    /// The elements `kept` of each axis.
    pub fn new(dense: &Fact, kept: Vec<Kept>) -> Self {
        let shape = dense.shape.iter().zip(&kept).map(|(dim, kept)| dim.with_count(kept.count())).collect();
        Self { dense: dense.clone(), left: Fact { dtype: dense.dtype, shape }, kept }
    }

    /// What is left of what `other` leaves of the same value.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let kept = self.kept.iter().zip(&other.kept).map(|(kept, others)| kept.within(others)).collect();
        Self::new(&other.left, kept)
    }

    /// Whether on every axis only elements at the end are left out.
    pub fn is_prefix(&self) -> bool {
        self.kept.iter().all(Kept::is_prefix)
    }
}
