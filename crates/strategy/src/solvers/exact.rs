//! The optimum, for small menus.
use crate::amounts::Amounts;
use crate::knapsack::{Knapsack, relaxation, search, walk};
use crate::menu::Menu;
use crate::solver::{Answer, Proof, Shortfall, Solver};

/// Branch and bound over the sites: dominated offers are left out; a branch ends where its Lagrangian bound reaches the
/// best answer known, or where the cheapest rest does not fit. The least loss, up to rounding (1e-12 of it).
///
/// Time grows exponentially with the number of sites in the worst case. Offers whose price or loss is not finite are
/// never taken; a site without another offer, and a budget that is NaN, leave nothing that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact;

impl Solver for Exact {
    fn solve(&mut self, menu: &Menu, budget: &Amounts) -> Result<Answer, Shortfall> {
        let sack = Knapsack::new(menu, budget)?;
        let dual = relaxation::least_loss(&sack);
        let start = walk::near(&sack, &dual)?;
        Ok(sack.answer(&search::improve(&sack, &dual, start), Proof::Optimal))
    }
}
