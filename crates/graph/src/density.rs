//! The part of a site that is kept.
use serde::{Deserialize, Serialize};
use std::fmt;

/// The part of a site that is kept, in thousandths: 1000 is dense, 250 a quarter.
///
/// An integer, so that settings can be compared, ordered and hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Density(u16);

impl Density {
    /// Everything is kept.
    pub const FULL: Self = Self(1000);

    /// A density of `per_mille` thousandths; `None` outside 1..=1000 (no site is ever emptied).
    pub const fn new(per_mille: u16) -> Option<Self> {
        if per_mille >= 1 && per_mille <= 1000 { Some(Self(per_mille)) } else { None }
    }

    /// Thousandths kept, 1..=1000.
    pub const fn per_mille(self) -> u16 {
        self.0
    }

    /// The same as a fraction in (0, 1].
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// Units kept of `width`: rounded up, at least one, at most `width`.
    pub const fn kept(self, width: usize) -> usize {
        let kept = (width * self.0 as usize).div_ceil(1000);
        if kept == 0 && width > 0 { 1 } else { kept }
    }
}

impl Default for Density {
    fn default() -> Self {
        Self::FULL
    }
}

impl fmt::Display for Density {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<Density> for u16 {
    fn from(density: Density) -> Self {
        density.0
    }
}

impl TryFrom<u16> for Density {
    type Error = String;
    fn try_from(per_mille: u16) -> Result<Self, String> {
        Self::new(per_mille).ok_or_else(|| format!("density {per_mille}, expected 1 to 1000 per mille"))
    }
}
