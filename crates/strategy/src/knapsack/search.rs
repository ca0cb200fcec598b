//! Depth-first branch and bound.
use super::relaxation::Dual;
use super::{Knapsack, Pick, ROUNDING, Scaled, dot, plus};

/// The pick of least loss, starting from a pick that fits.
pub(crate) fn improve(sack: &Knapsack, dual: &Dual, start: Pick) -> Pick {
    let cutoff = sack.loss(&start);
    let mut search = Search::new(sack, dual, cutoff, false);
    search.visit(0, [0.0; 4], 0.0);
    search.found.unwrap_or(start)
}

/// Any pick that fits; `dual` weighs room alone.
pub(crate) fn any(sack: &Knapsack, dual: &Dual) -> Option<Pick> {
    let mut search = Search::new(sack, dual, 2.0 * ROUNDING, true);
    search.visit(0, [0.0; 4], 0.0);
    search.found
}

struct Search<'a> {
    sack: &'a Knapsack,
    dual: Dual,
    /// Item indices of each site, least weighted cost first.
    order: Vec<Vec<usize>>,
    /// Least price of all sites from this one on, per resource.
    least_price: Vec<Scaled>,
    /// Least weighted cost of all sites from this one on.
    least_cost: Vec<f64>,
    /// Only picks below this are looked for.
    cutoff: f64,
    first_only: bool,
    pick: Pick,
    found: Option<Pick>,
}

impl<'a> Search<'a> {
    fn new(sack: &'a Knapsack, dual: &Dual, cutoff: f64, first_only: bool) -> Self {
        let sites = sack.sites.len();
        let (mut least_price, mut least_cost) = (vec![[0.0; 4]; sites + 1], vec![0.0; sites + 1]);
        for (i, items) in sack.sites.iter().enumerate().rev() {
            let least = std::array::from_fn(|r| items.iter().map(|item| item.price[r]).fold(f64::INFINITY, f64::min));
            least_price[i] = plus(&least, &least_price[i + 1]);
            least_cost[i] = least_cost[i + 1] + items.iter().map(|item| dual.cost(item)).fold(f64::INFINITY, f64::min);
        }
        let order = sack.sites.iter().map(|items| by_cost(items.len(), |i| dual.cost(&items[i]))).collect();
        let pick = Vec::with_capacity(sites);
        Self { sack, dual: *dual, order, least_price, least_cost, cutoff, first_only, pick, found: None }
    }

    /// Tries every way to go on from `site`, with the price and the weighted cost of the sites before it.
    fn visit(&mut self, site: usize, price: Scaled, cost: f64) {
        let Some(items) = self.sack.sites.get(site) else { return self.leaf() };
        for at in 0..items.len() {
            let item = self.order[site][at];
            let next_cost = cost + self.dual.cost(&items[item]);
            if !self.may_improve(site + 1, next_cost) {
                return;
            }
            let next_price = plus(&price, &items[item].price);
            if self.may_fit(site + 1, &next_price) {
                self.pick.push(item);
                self.visit(site + 1, next_price, next_cost);
                self.pick.pop();
            }
            if self.first_only && self.found.is_some() {
                return;
            }
        }
    }

    fn may_improve(&self, site: usize, cost: f64) -> bool {
        let bound = cost + self.least_cost[site] - dot(&self.dual.prices, &self.sack.room);
        bound < self.cutoff - 1e-12 * self.cutoff.abs()
    }

    fn may_fit(&self, site: usize, price: &Scaled) -> bool {
        (0..price.len()).all(|r| price[r] + self.least_price[site][r] <= self.sack.room[r] + ROUNDING)
    }

    fn leaf(&mut self) {
        let loss = self.sack.loss(&self.pick);
        let improves = self.first_only || loss < self.cutoff;
        if improves && self.sack.fits(&self.pick) {
            self.found = Some(self.pick.clone());
            self.cutoff = loss;
        }
    }
}

fn by_cost(len: usize, cost: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(a.cmp(&b)));
    order
}
