//! What the values of a trace file mean.
use crate::error::Error;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};

/// What the values of a trace mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Map {
    /// The share, as it is.
    #[default]
    Share,
    /// The share as a percentage.
    Percent,
    /// The percentage that somebody else uses: the share is 1 - value / 100.
    Free,
    /// The share is value / `of`, at most 1.
    Part,
    /// The share is the value over the largest.
    OfMax,
    /// The share is the value over the median, at most 1: a speed against its usual one.
    OfMedian,
    /// The share is the median over the value, at most 1: a time against its usual one.
    MedianOver,
    /// Amounts in their own unit, no share: for resources other than the processor.
    Raw,
}

impl Map {
    /// The shares, or amounts, that values mean; the first is sample number `first` of its file.
    pub(super) fn apply(self, values: &[f64], unit: Unit, of: Option<f64>, first: usize) -> Result<Vec<f64>, Error> {
        self.check_unit(unit)?;
        let divisor = self.divisor(values, of)?;
        let shares = values.iter().enumerate().map(|(i, &value)| {
            let share = match self {
                Self::Free => 1.0 - value / 100.0,
                Self::MedianOver => divisor / value,
                Self::Raw => value,
                _ => value / divisor,
            };
            let good = match self {
                Self::Share | Self::Percent | Self::Free => (0.0..=1.0).contains(&share),
                _ => share.is_finite(),
            };
            let found = || format!("value {value} of sample {}", first + i);
            if good { Ok(share) } else { Err(Error::field(found(), self.expected())) }
        });
        shares.collect()
    }

    /// Refuses a unit that this meaning cannot have.
    fn check_unit(self, unit: Unit) -> Result<(), Error> {
        let good = match self {
            Self::Share => matches!(unit, Unit::Share | Unit::Number),
            Self::Percent | Self::Free => matches!(unit, Unit::Percent | Unit::Number),
            _ => true,
        };
        let hint = match unit {
            Unit::Percent => "percent, or free where somebody else uses it",
            _ => "part with of = ..., of_max, of_median, median_over or raw",
        };
        if good { Ok(()) } else { Err(Error::field(format!("trace.map for values in {unit}"), hint)) }
    }

    fn divisor(self, values: &[f64], of: Option<f64>) -> Result<f64, Error> {
        let divisor = match self {
            Self::Percent => 100.0,
            Self::Part => of.unwrap_or(0.0),
            Self::OfMax => values.iter().copied().fold(0.0, f64::max),
            Self::OfMedian | Self::MedianOver => median(values),
            Self::Share | Self::Free | Self::Raw => 1.0,
        };
        if divisor > 0.0 { Ok(divisor) } else { Err(Error::field("trace.map", "a value above 0 to divide by")) }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Share => "a share from 0 to 1 (or, for percentages that others use, map = \"free\")",
            Self::Percent | Self::Free => "a percentage from 0 to 100",
            _ => "a number above 0",
        }
    }

    /// Whether shares above 1 are lowered to it.
    pub(super) fn clips(self) -> bool {
        matches!(self, Self::Part | Self::OfMedian | Self::MedianOver)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    let middle = sorted.len() / 2;
    if sorted.is_empty() { 0.0 } else { *sorted.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
