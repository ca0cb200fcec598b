//! From pick to pick by changing one site at a time.
use super::relaxation::{self, Dual};
use super::{Knapsack, Pick, Scaled, search};
use crate::solver::Shortfall;

const EXCHANGES: usize = 4;

/// A change at one site and what it is worth.
struct Step {
    site: usize,
    item: usize,
    worth: f64,
}

/// A pick within the budget, near the least loss: from the pick that is best at the prices of `dual`, down until it
/// fits, then up while something fits.
///
/// # Errors
/// When nothing fits.
pub(crate) fn near(sack: &Knapsack, dual: &Dual) -> Result<Pick, Shortfall> {
    let mut pick = dual.pick(sack);
    if !descend(sack, &mut pick) {
        pick = feasible(sack)?;
    }
    ascend(sack, &mut pick);
    for _ in 0..EXCHANGES {
        if !exchange(sack, &mut pick) {
            break;
        }
    }
    Ok(pick)
}

fn feasible(sack: &Knapsack) -> Result<Pick, Shortfall> {
    let (dual, found) = relaxation::tightest(sack);
    let mut pick = found.unwrap_or_else(|| dual.pick(sack));
    if descend(sack, &mut pick) {
        return Ok(pick);
    }
    search::any(sack, &dual).ok_or_else(|| sack.shortfall(&pick))
}

/// Steps down the best slope of excess taken away per loss added until the pick fits; false when no step helps.
fn descend(sack: &Knapsack, pick: &mut Pick) -> bool {
    for _ in 0..sack.sites.iter().map(Vec::len).sum::<usize>() {
        if sack.fits(pick) {
            return true;
        }
        let excess = sack.excess(pick);
        let slope = |change: &Scaled, loss: f64| {
            let relief = over(&excess) - over(&super::plus(&excess, change));
            (relief > 0.0).then(|| relief / loss.max(1e-12))
        };
        match best_step(sack, pick, slope) {
            Some(step) => pick[step.site] = step.item,
            None => return false,
        }
    }
    sack.fits(pick)
}

/// Takes the step that regains most loss, while one fits.
fn ascend(sack: &Knapsack, pick: &mut Pick) {
    loop {
        let excess = sack.excess(pick);
        let gain =
            |change: &Scaled, loss: f64| (loss < 0.0 && over(&super::plus(&excess, change)) <= 0.0).then_some(-loss);
        if !take(sack, pick, gain) {
            return;
        }
    }
}

/// For each site in turn: a step that regains loss, together with the step at another site that makes room for it at
/// the least loss. Whether any such pair was taken.
fn exchange(sack: &Knapsack, pick: &mut Pick) -> bool {
    let mut any = false;
    for site in 0..pick.len() {
        for item in 0..pick[site] {
            let before = (std::mem::replace(&mut pick[site], item), sack.excess(pick));
            let regained = sack.sites[site][before.0].offer.loss - sack.sites[site][item].offer.loss;
            let rest = |change: &Scaled, loss: f64| {
                (loss < regained && over(&super::plus(&before.1, change)) <= 0.0).then_some(-loss)
            };
            if take(sack, pick, rest) {
                any = true;
                break;
            }
            pick[site] = before.0;
        }
    }
    any
}

/// Takes the step of highest worth unless it does not fit after all, by rounding.
fn take(sack: &Knapsack, pick: &mut Pick, worth: impl Fn(&Scaled, f64) -> Option<f64>) -> bool {
    let Some(step) = best_step(sack, pick, worth) else { return false };
    let before = std::mem::replace(&mut pick[step.site], step.item);
    let fits = sack.fits(pick);
    if !fits {
        pick[step.site] = before;
    }
    fits
}

fn over(excess: &Scaled) -> f64 {
    excess.iter().map(|e| e.max(0.0)).sum()
}

/// The step of highest worth, the first among equals; `worth` sees the change of price and of loss.
fn best_step(sack: &Knapsack, pick: &[usize], worth: impl Fn(&Scaled, f64) -> Option<f64>) -> Option<Step> {
    let mut best: Option<Step> = None;
    for (site, items) in sack.sites.iter().enumerate() {
        let now = &items[pick[site]];
        for (item, next) in items.iter().enumerate() {
            let change = std::array::from_fn(|r| next.price[r] - now.price[r]);
            let value = worth(&change, next.offer.loss - now.offer.loss);
            if let Some(worth) = value.filter(|v| best.as_ref().is_none_or(|b| *v > b.worth)) {
                best = Some(Step { site, item, worth });
            }
        }
    }
    best
}
