//! What can be had at each site, at what price and what loss of quality.
use crate::amounts::Amounts;
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
