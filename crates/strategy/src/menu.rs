//! What can be had at each site, at what price and what loss of quality.
use crate::amounts::{Amounts, Resource};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use supple_graph::Choice;

/// One choice at one site.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// What is chosen.
    pub choice: Choice,
    /// What it costs, as part of the whole.
    pub price: Amounts,
    /// Loss of quality against dense, measured on calibration data (points of accuracy as a fraction, not below zero).
    pub loss: f64,
}

/// The offers of every site, plus what is spent whatever is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Menu {
    /// Spent by every setting.
    pub base: Amounts,
    /// Offers, one list a site; each list holds at least one.
    pub sites: Vec<Vec<Offer>>,
}

impl Menu {
    /// Whether every price and loss is a finite number, not below zero, and every site has an offer; call it after
    /// reading one from a file.
    ///
    /// # Errors
    /// Names the first number at fault.
    pub fn check(&self) -> Result<(), Error> {
        check_amounts("base", &self.base)?;
        for (i, offers) in self.sites.iter().enumerate() {
            if offers.is_empty() {
                return Err(Error::new(format!("sites[{i}]"), "at least one offer"));
            }
            for (j, offer) in offers.iter().enumerate() {
                check_amounts(&format!("sites[{i}][{j}].price"), &offer.price)?;
                check_number(&format!("sites[{i}][{j}].loss"), offer.loss)?;
            }
        }
        Ok(())
    }
}

fn check_amounts(field: &str, amounts: &Amounts) -> Result<(), Error> {
    Resource::ALL.iter().try_for_each(|&r| check_number(&format!("{field}, {r:?}"), amounts.get(r)))
}

fn check_number(field: &str, number: f64) -> Result<(), Error> {
    if number.is_finite() && number >= 0.0 {
        return Ok(());
    }
    Err(Error::new(format!("{field} = {number}"), "a finite number, not below zero"))
}
