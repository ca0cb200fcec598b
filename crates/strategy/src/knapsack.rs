//! A menu under a budget as a multiple-choice knapsack: what the solvers share.
pub(crate) mod relaxation;
pub(crate) mod search;
pub(crate) mod walk;

use crate::amounts::{Amounts, Resource};
use crate::menu::{Menu, Offer};
use crate::solver::{Answer, Proof, Shortfall};
use supple_graph::Setting;

/// An amount of each resource, each in its own unit of [`Knapsack`]; zero for resources without limit.
pub(crate) type Scaled = [f64; Resource::ALL.len()];

/// Rounding that pruning must forgive, in scaled units.
pub(crate) const ROUNDING: f64 = 1e-11;

/// An offer that may be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub offer: Offer,
    pub price: Scaled,
}

/// One item index a site.
pub(crate) type Pick = Vec<usize>;

/// The offers worth taking, least loss first, and the room for them.
#[derive(Debug)]
pub(crate) struct Knapsack {
    base: Amounts,
    budget: Amounts,
    unit: Scaled,
    pub sites: Vec<Vec<Item>>,
    pub room: Scaled,
}

impl Knapsack {
    /// # Errors
    /// When a site has no finite offer, the base is not finite or the budget is NaN: then everything is missing.
    pub fn new(menu: &Menu, budget: &Amounts) -> Result<Self, Shortfall> {
        let usable: Vec<Vec<Offer>> = menu.sites.iter().map(|offers| finite_offers(offers)).collect();
        let known = Resource::ALL.iter().all(|&r| menu.base.get(r).is_finite() && budget.get(r) > f64::NEG_INFINITY);
        if !known || usable.iter().any(Vec::is_empty) {
            return Err(Shortfall { missing: Amounts::UNLIMITED });
        }
        let unit = Resource::ALL.map(|r| unit_of(r, &usable));
        let mut sack = Self { base: menu.base, budget: *budget, unit, sites: Vec::new(), room: [0.0; 4] };
        sack.room = sack.scaled(|r| budget.get(r) - menu.base.get(r));
        sack.sites = usable.into_iter().map(|offers| sack.items(offers)).collect();
        Ok(sack)
    }

    fn scaled(&self, amount: impl Fn(Resource) -> f64) -> Scaled {
        let mut out = [0.0; 4];
        for (i, &resource) in Resource::ALL.iter().enumerate() {
            if self.budget.get(resource) < f64::INFINITY {
                out[i] = amount(resource) / self.unit[i];
            }
        }
        out
    }

    fn items(&self, offers: Vec<Offer>) -> Vec<Item> {
        let mut items: Vec<Item> =
            offers.into_iter().map(|offer| Item { offer, price: self.scaled(|r| offer.price.get(r)) }).collect();
        items.sort_by(|a, b| a.offer.loss.total_cmp(&b.offer.loss).then(sum(&a.price).total_cmp(&sum(&b.price))));
        let mut kept: Vec<Item> = Vec::with_capacity(items.len());
        for item in items {
            if !kept.iter().any(|better| better.offer.price.within(&item.offer.price)) {
                kept.push(item);
            }
        }
        kept
    }

    /// The offers of a pick, in the order of the sites.
    fn offers<'a>(&'a self, pick: &'a [usize]) -> impl Iterator<Item = &'a Offer> {
        self.sites.iter().zip(pick).map(|(items, &i)| &items[i].offer)
    }

    /// What a pick costs, added up in the order of the sites.
    pub fn price(&self, pick: &[usize]) -> Amounts {
        self.offers(pick).fold(self.base, |sum, offer| sum + offer.price)
    }

    /// Sum of a pick's losses.
    pub fn loss(&self, pick: &[usize]) -> f64 {
        self.offers(pick).map(|offer| offer.loss).sum()
    }

    /// Whether a pick is within the budget, without tolerance.
    pub fn fits(&self, pick: &[usize]) -> bool {
        self.price(pick).within(&self.budget)
    }

    /// By how much a pick exceeds the room, negative where it leaves some.
    pub fn excess(&self, pick: &[usize]) -> Scaled {
        let price = self.price(pick);
        self.scaled(|r| price.get(r) - self.budget.get(r))
    }

    /// Whether no pick loses less, whatever the budget.
    pub fn is_least_loss(&self, pick: &[usize]) -> bool {
        self.sites.iter().zip(pick).all(|(items, &i)| items[i].offer.loss <= items[0].offer.loss)
    }

    /// A pick as an answer.
    pub fn answer(&self, pick: &[usize], proof: Proof) -> Answer {
        let setting = Setting::new(self.offers(pick).map(|offer| offer.choice).collect());
        Answer { setting, price: self.price(pick), loss: self.loss(pick), proof }
    }

    /// What is missing for a pick.
    pub fn shortfall(&self, pick: &[usize]) -> Shortfall {
        let price = self.price(pick);
        let missing = |r| (price.get(r) - self.budget.get(r)).max(0.0);
        Shortfall {
            missing: Amounts {
                seconds: missing(Resource::Seconds),
                resident: missing(Resource::Resident),
                moved: missing(Resource::Moved),
                joules: missing(Resource::Joules),
            },
        }
    }
}

fn finite_offers(offers: &[Offer]) -> Vec<Offer> {
    let finite =
        |offer: &&Offer| offer.loss.is_finite() && Resource::ALL.iter().all(|&r| offer.price.get(r).is_finite());
    offers.iter().filter(finite).copied().collect()
}

/// The most that can be spent of a resource; 1 where nothing can.
fn unit_of(resource: Resource, sites: &[Vec<Offer>]) -> f64 {
    let dearest = |offers: &Vec<Offer>| offers.iter().map(|o| o.price.get(resource).abs()).fold(0.0, f64::max);
    let most: f64 = sites.iter().map(dearest).sum();
    if most > 0.0 && most.is_finite() { most } else { 1.0 }
}

fn sum(amounts: &Scaled) -> f64 {
    amounts.iter().sum()
}

/// Sum of the products.
pub(crate) fn dot(weights: &Scaled, amounts: &Scaled) -> f64 {
    weights.iter().zip(amounts).map(|(w, a)| w * a).sum()
}

/// The element-wise sum.
pub(crate) fn plus(a: &Scaled, b: &Scaled) -> Scaled {
    std::array::from_fn(|i| a[i] + b[i])
}
