//! Near the optimum in milliseconds, with a proof of how near.
use crate::amounts::Amounts;
use crate::knapsack::{Knapsack, relaxation, walk};
use crate::menu::Menu;
use crate::solver::{Answer, Proof, Shortfall, Solver};

/// Takes at each site the offer that is best at shadow prices of the scarce resources (the corner of the convex hull
/// where a single resource would end the walk), steps down the best slopes of price saved per loss added while over the
/// budget, up again while something fits, and then exchanges an offer at one site for one at another.
///
/// The proof is the bound of the Lagrangian relaxation, the one of the linear relaxation for a single resource. When
/// the walk finds nothing, feasibility is searched exactly: at the very edge of several budgets that may take seconds.
/// Offers whose price or loss is not finite are never taken; a site without another offer, and a budget that is NaN,
/// leave nothing that fits: everything is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Greedy;

impl Solver for Greedy {
    fn solve(&mut self, menu: &Menu, budget: &Amounts) -> Result<Answer, Shortfall> {
        let sack = Knapsack::new(menu, budget)?;
        let dual = relaxation::least_loss(&sack);
        let pick = walk::near(&sack, &dual)?;
        let proof = if sack.is_least_loss(&pick) { Proof::Optimal } else { Proof::Bound(dual.lower_bound(&sack)) };
        Ok(sack.answer(&pick, proof))
    }
}
