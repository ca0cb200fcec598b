//! What only policies that predict can do.
use crate::ladder::Ladder;
use crate::policy::{Observation, Policy};

/// A policy that can tell which rungs it predicts to keep the demand. Its law: it never picks a rung that is not
/// predicted to keep the demand while another is.
pub trait Forecast: Policy {
    /// Whether this rung is predicted to keep the demand for the piece of work about to start, from what was seen up to
    /// and including the last [`decide`](Policy::decide). Beyond the ladder: no.
    fn keeps(&self, seen: &Observation, ladder: &Ladder, rung: usize) -> bool;
}
