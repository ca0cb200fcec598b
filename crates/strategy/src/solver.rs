//! The contract of a solver.
use crate::amounts::Amounts;
use crate::menu::Menu;
use serde::{Deserialize, Serialize};
use supple_graph::Setting;

/// How good an answer is proven to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Nothing on the menu has less loss within the budget.
    Optimal,
    /// No answer within the budget loses less than this.
    Bound(f64),
}

/// A setting within the budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// One choice a site.
    pub setting: Setting,
    /// What it costs.
    pub price: Amounts,
    /// Sum of the offers' losses.
    pub loss: f64,
    /// How good that is.
    pub proof: Proof,
}

/// Nothing fits: by how much the budget would have to grow, per resource, for the cheapest setting found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortfall {
    /// Missing amounts, zero where the budget suffices.
    pub missing: Amounts,
}

/// Finds the setting of least loss within a budget.
pub trait Solver {
    /// The best setting found, or by how much it cannot be done. Neither is an error.
    ///
    /// # Errors
    /// [`Shortfall`] if and only if no setting of the menu fits.
    fn solve(&mut self, menu: &Menu, budget: &Amounts) -> Result<Answer, Shortfall>;
}

impl<F: FnMut(&Menu, &Amounts) -> Result<Answer, Shortfall>> Solver for F {
    fn solve(&mut self, menu: &Menu, budget: &Amounts) -> Result<Answer, Shortfall> {
        self(menu, budget)
    }
}
