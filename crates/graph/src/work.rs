//! Hardware-free cost.
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Cost of an operator in one phase, free of any hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: f64,
    /// Bytes read and written.
    pub moved: f64,
    /// Bytes that must stay in memory: weights, and activations while they live.
    pub resident: f64,
}

impl Work {
    /// Every component times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { flops: self.flops * factor, moved: self.moved * factor, resident: self.resident * factor }
    }
}

impl Add for Work {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            moved: self.moved + other.moved,
            resident: self.resident + other.resident,
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), Add::add)
    }
}
