//! What a computation costs on a machine.
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// A resource with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Processor time at full share, in seconds.
    Seconds,
    /// Memory that stays occupied, in bytes.
    Resident,
    /// Memory traffic, in bytes.
    Moved,
    /// Energy, in joules.
    Joules,
}

impl Resource {
    /// All resources, in the order of [`Amounts::get`].
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Resident, Self::Moved, Self::Joules];
}

/// An amount of each resource: a price, or what may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Processor time at full share, in seconds.
    pub seconds: f64,
    /// Bytes resident.
    pub resident: f64,
    /// Bytes moved.
    pub moved: f64,
    /// Joules.
    pub joules: f64,
}

impl Amounts {
    /// No limit on any resource.
    pub const UNLIMITED: Self =
        Self { seconds: f64::INFINITY, resident: f64::INFINITY, moved: f64::INFINITY, joules: f64::INFINITY };

    /// This many seconds and nothing else.
    pub const fn of_seconds(seconds: f64) -> Self {
        Self { seconds, resident: 0.0, moved: 0.0, joules: 0.0 }
    }

    /// The amount of one resource.
    pub fn get(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Seconds => self.seconds,
            Resource::Resident => self.resident,
            Resource::Moved => self.moved,
            Resource::Joules => self.joules,
        }
    }

    /// Whether no amount exceeds the budget's.
    pub fn within(&self, budget: &Self) -> bool {
        Resource::ALL.iter().all(|&r| self.get(r) <= budget.get(r))
    }
}

impl Add for Amounts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            resident: self.resident + other.resident,
            moved: self.moved + other.moved,
            joules: self.joules + other.joules,
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
