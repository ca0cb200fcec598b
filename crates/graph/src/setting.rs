//! A choice for every site: the one value that strategy, executor and simulator exchange.
use crate::density::Density;
use crate::kinds::Kind;
use serde::{Deserialize, Serialize};

/// Index of a site in [`Analysis::sites`](crate::analysis::Analysis::sites).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SiteId(pub usize);

/// Kind and density at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// The way to be sparse.
    pub kind: Kind,
    /// The part kept.
    pub density: Density,
}

/// A choice for every site, in the order of the sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Setting(Vec<Choice>);

impl Setting {
    /// A setting from its choices, one a site.
    pub fn new(choices: Vec<Choice>) -> Self {
        Self(choices)
    }

    /// The same density at each of the sites with these kinds.
    pub fn uniform(kinds: &[Kind], density: Density) -> Self {
        Self(kinds.iter().map(|&kind| Choice { kind, density }).collect())
    }

    /// The choices, one a site.
    pub fn choices(&self) -> &[Choice] {
        &self.0
    }

    /// Density at a site; dense for a site that the setting does not name.
    pub fn density(&self, site: SiteId) -> Density {
        self.0.get(site.0).map_or(Density::FULL, |choice| choice.density)
    }

    /// What is chosen at a site, if the setting names it.
    pub fn choice(&self, site: SiteId) -> Option<Choice> {
        self.0.get(site.0).copied()
    }

    /// This setting with another choice at one site.
    #[must_use]
    pub fn with_choice(mut self, site: SiteId, choice: Choice) -> Self {
        if let Some(old) = self.0.get_mut(site.0) {
            *old = choice;
        }
        self
    }

    /// This setting with another density at one site.
    #[must_use]
    pub fn with(mut self, site: SiteId, density: Density) -> Self {
        if let Some(choice) = self.0.get_mut(site.0) {
            choice.density = density;
        }
        self
    }

    /// Whether every site is dense.
    pub fn is_dense(&self) -> bool {
        self.0.iter().all(|choice| choice.density == Density::FULL)
    }

    /// Mean of the densities over the sites, in (0, 1]; 1 without sites.
    pub fn mean_density(&self) -> f64 {
        if self.0.is_empty() {
            return 1.0;
        }
        self.0.iter().map(|c| c.density.fraction()).sum::<f64>() / self.0.len() as f64
    }
}
