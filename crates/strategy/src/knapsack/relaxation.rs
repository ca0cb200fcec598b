//! Lagrangian relaxation: the budget's limits as prices in the objective.
//!
//! For any weights w >= 0, `min over picks (c loss + w price) - w room` is a lower bound of c times the least loss
//! within the budget, and the minimum falls apart into one a site. M. L. Fisher, "The Lagrangian relaxation method for
//! solving integer programming problems", Management Science 27 (1981).
use super::{Item, Knapsack, Pick, ROUNDING, Scaled, dot};

const SWEEPS: usize = 12;
const HALVINGS: usize = 30;
const ROUNDS: usize = 96;
const FIRST_STEP: f64 = 0.5;

/// The weights of a relaxation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dual {
    /// Weight of the loss: 1, or 0 when only room matters.
    pub loss: f64,
    /// Weight of each resource, not negative.
    pub prices: Scaled,
}

impl Dual {
    /// Weighted loss and price of an item.
    pub fn cost(&self, item: &Item) -> f64 {
        self.loss * item.offer.loss + dot(&self.prices, &item.price)
    }

    /// The item of least weighted cost; the one of less loss among equals.
    fn cheapest(&self, items: &[Item]) -> usize {
        let mut best = (0, f64::INFINITY);
        for (i, item) in items.iter().enumerate() {
            let cost = self.cost(item);
            if cost < best.1 {
                best = (i, cost);
            }
        }
        best.0
    }

    /// The pick of least weighted cost.
    pub fn pick(&self, sack: &Knapsack) -> Pick {
        sack.sites.iter().map(|items| self.cheapest(items)).collect()
    }

    /// The relaxation's value: no pick within the budget has a lower weighted loss.
    pub fn value(&self, sack: &Knapsack) -> f64 {
        let least: f64 = sack.sites.iter().map(|items| self.cost(&items[self.cheapest(items)])).sum();
        least - dot(&self.prices, &sack.room)
    }

    /// The value, less what rounding may have added, and never below the least losses alone.
    pub fn lower_bound(&self, sack: &Knapsack) -> f64 {
        let trivial: f64 = sack.sites.iter().map(|items| items[0].offer.loss).sum();
        let rounding = ROUNDING * (1.0 + trivial.abs() + self.prices.iter().sum::<f64>());
        (self.value(sack) - rounding).max(trivial - rounding)
    }
}

/// Shadow prices that make the bound on the least loss high: each in turn is set to where its resource just suffices.
pub(crate) fn least_loss(sack: &Knapsack) -> Dual {
    let mut dual = Dual { loss: 1.0, prices: [0.0; 4] };
    let mut best = (dual, dual.value(sack));
    for _ in 0..SWEEPS {
        let before = dual.prices;
        for resource in 0..before.len() {
            dual.prices[resource] = just_enough(sack, dual, resource);
        }
        let value = dual.value(sack);
        if value > best.1 {
            best = (dual, value);
        }
        if dual.prices == before {
            break;
        }
    }
    polished(sack, best)
}

/// Subgradient ascent from a dual and its value: prices move with the excess of the cheapest pick, less each time.
fn polished(sack: &Knapsack, start: (Dual, f64)) -> Dual {
    let (mut dual, mut best) = (start.0, start);
    for round in 0..ROUNDS {
        let excess = sack.excess(&dual.pick(sack));
        let length = dot(&excess, &excess);
        if length == 0.0 {
            break;
        }
        let step = FIRST_STEP * best.1.abs() / (length * (1 + round) as f64);
        dual.prices = std::array::from_fn(|r| (dual.prices[r] + step * excess[r]).max(0.0));
        let value = dual.value(sack);
        if value > best.1 {
            best = (dual, value);
        }
    }
    best.0
}

/// The least price of a resource at which the room suffices, the other prices as they are; the last tried if none
/// suffices.
fn just_enough(sack: &Knapsack, mut dual: Dual, resource: usize) -> f64 {
    let mut suffices = |price: f64| {
        dual.prices[resource] = price;
        let used: f64 = sack.sites.iter().map(|items| items[dual.cheapest(items)].price[resource]).sum();
        used <= sack.room[resource]
    };
    if suffices(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1e-3);
    while !suffices(high) && high < 1e12 {
        (low, high) = (high, high * 8.0);
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if suffices(middle) { high = middle } else { low = middle }
    }
    high
}

/// Weights under which the room is tightest, by multiplicative weights (S. Arora, E. Hazan, S. Kale, Theory of
/// Computing 8, 2012). A positive value proves that nothing fits; on the way a pick that fits may turn up.
pub(crate) fn tightest(sack: &Knapsack) -> (Dual, Option<Pick>) {
    let mut dual = Dual { loss: 0.0, prices: [0.25; 4] };
    let mut best = (dual, f64::NEG_INFINITY);
    for _ in 0..ROUNDS {
        let pick = dual.pick(sack);
        if sack.fits(&pick) {
            return (dual, Some(pick));
        }
        let value = dual.value(sack);
        if value > best.1 {
            best = (dual, value);
        }
        dual.prices = reweighted(&dual.prices, &sack.excess(&pick));
    }
    (best.0, None)
}

fn reweighted(weights: &Scaled, excess: &Scaled) -> Scaled {
    let largest = excess.iter().fold(f64::MIN_POSITIVE, |m, e| m.max(e.abs()));
    let raised: Scaled = std::array::from_fn(|i| weights[i] * (1.0 + 0.25 * excess[i] / largest));
    let total: f64 = raised.iter().sum();
    raised.map(|w| w / total)
}
