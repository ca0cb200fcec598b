//! Whole numbers of shape arithmetic, which may depend on the batch.
use std::cmp::Ordering;
use supple_graph::Dim;

/// `fixed + per_sample * batch`, of a batch of one sample or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) fixed: i64,
    pub(crate) per_sample: i64,
}

impl Number {
    /// The number, unless it depends on the batch.
    pub(crate) fn known(self) -> Option<i64> {
        (self.per_sample == 0).then_some(self.fixed)
    }

    /// The length of an axis: a number, or a multiple of the batch.
    pub(crate) fn dim(self) -> Option<Dim> {
        match (usize::try_from(self.fixed), usize::try_from(self.per_sample)) {
            (Ok(n), Ok(0)) => Some(Dim::Fixed(n)),
            (Ok(0), Ok(n)) => Some(Dim::Batch(n)),
            _ => None,
        }
    }

    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let fixed = self.fixed.checked_add(other.fixed)?;
        Some(Self { fixed, per_sample: self.per_sample.checked_add(other.per_sample)? })
    }

    pub(crate) fn sub(self, other: Self) -> Option<Self> {
        self.add(other.times(-1)?)
    }

    pub(crate) fn mul(self, other: Self) -> Option<Self> {
        match (self.known(), other.known()) {
            (Some(n), _) => other.times(n),
            (_, Some(n)) => self.times(n),
            _ => None,
        }
    }

    /// The quotient, rounded towards zero; `None` when it is not a whole multiple of the batch.
    pub(crate) fn div(self, other: Self) -> Option<Self> {
        let by = other.known().filter(|&by| by != 0)?;
        if self.known().is_none() && (self.fixed % by != 0 || self.per_sample % by != 0) {
            return None;
        }
        Some(Self { fixed: self.fixed.checked_div(by)?, per_sample: self.per_sample.checked_div(by)? })
    }

    fn times(self, n: i64) -> Option<Self> {
        Some(Self { fixed: self.fixed.checked_mul(n)?, per_sample: self.per_sample.checked_mul(n)? })
    }

    /// The remainder, not negative; `None` when it depends on the batch.
    pub(crate) fn rem(self, other: Self) -> Option<Self> {
        let by = other.known()?;
        let even = self.per_sample.checked_rem(by)? == 0;
        even.then(|| self.fixed.checked_rem_euclid(by)).flatten().map(Self::from)
    }

    /// The order of both at every batch; `None` when it depends on the batch.
    pub(crate) fn order(self, other: Self) -> Option<Ordering> {
        let difference = self.sub(other)?;
        let (at_one, beyond) =
            (difference.fixed.checked_add(difference.per_sample)?.cmp(&0), difference.per_sample.cmp(&0));
        (beyond.is_eq() || beyond == at_one).then_some(at_one)
    }

    /// Whether both are equal at every batch, or at none; `None` when it depends on the batch.
    pub(crate) fn equals(self, other: Self) -> Option<bool> {
        let Self { fixed, per_sample } = self.sub(other)?;
        let never = per_sample != 0 && fixed.checked_rem(per_sample)? != 0;
        if never { Some(false) } else { self.order(other).map(Ordering::is_eq) }
    }

    pub(crate) fn min(self, other: Self) -> Option<Self> {
        self.order(other).map(|order| if order.is_gt() { other } else { self })
    }

    pub(crate) fn max(self, other: Self) -> Option<Self> {
        self.order(other).map(|order| if order.is_lt() { other } else { self })
    }
}

impl From<i64> for Number {
    fn from(fixed: i64) -> Self {
        Self { fixed, per_sample: 0 }
    }
}

impl From<Dim> for Number {
    fn from(dim: Dim) -> Self {
        let count = i64::try_from(dim.count()).unwrap_or(i64::MAX);
        if dim.is_batch() { Self { fixed: 0, per_sample: count } } else { Self::from(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use supple_graph::Dim;

    #[test]
    fn lengths_follow_the_batch() {
        let batch = Number::from(Dim::Batch(1));
        let four = batch.mul(4.into()).unwrap();
        assert_eq!(four.dim(), Some(Dim::Batch(4)));
        assert_eq!(four.div(2.into()).unwrap().dim(), Some(Dim::Batch(2)));
        assert_eq!(four.sub(four).unwrap().known(), Some(0));
        assert_eq!(four.add(1.into()).unwrap().dim(), None);
        assert_eq!(four.div(3.into()), None);
        assert_eq!(four.mul(batch), None);
        assert_eq!((four.equals(four), four.equals(batch), batch.equals(1.into())), (Some(true), Some(false), None));
        assert_eq!(Number::from(7).equals(1.into()), Some(false));
        assert_eq!(
            (batch.equals((-1).into()), four.equals(6.into()), four.equals(8.into())),
            (Some(false), Some(false), None)
        );
        assert_eq!((four.max(batch), four.min(3.into()), four.min(5.into())), (Some(four), Some(3.into()), None));
        assert_eq!((four.rem(2.into()), four.rem(3.into()), batch.rem(0.into())), (Some(0.into()), None, None));
        assert_eq!(Number::from(i64::MAX).add(1.into()), None);
    }
}
