//! The policies, one file each; the one list of them.
mod hold;
mod kalman;
mod slack;

pub use hold::Hold;
pub use kalman::Kalman;
pub use slack::Slack;

use crate::demand::Demand;
use crate::error::Error;
use crate::policy::Policy;
use serde::{Deserialize, Serialize};

type Make = fn(&PolicyOptions, &Demand) -> Result<Box<dyn Policy>, Error>;

const NAMES: &[&str] = &["hold", "kalman", "slack"];
const MAKES: [Make; NAMES.len()] = [
    |_, _| Ok(Box::new(Hold::default())),
    |options, demand| Ok(Box::new(Kalman::new(options, demand)?)),
    |_, demand| Ok(Box::new(Slack::new(demand))),
];

/// What can be set about a policy; each policy takes what concerns it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PolicyOptions {
    /// Probability with which a rung must be predicted to finish in time, at least 0.5 and below 1.
    pub confidence: f64,
    /// Pieces of work run on a rung before climbing to a dearer one.
    pub dwell: usize,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self { confidence: 0.95, dwell: 8 }
    }
}

impl PolicyOptions {
    /// Whether every value is possible.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), Error> {
        if (0.5..1.0).contains(&self.confidence) {
            return Ok(());
        }
        Err(Error::new(format!("confidence = {}", self.confidence), "at least 0.5 and below 1"))
    }
}

/// The names of all policies.
pub fn names() -> &'static [&'static str] {
    NAMES
}

/// A fresh policy by its name.
///
/// # Errors
/// For an unknown name, with the known ones; for impossible options.
pub fn by_name(name: &str, options: &PolicyOptions, demand: &Demand) -> Result<Box<dyn Policy>, Error> {
    options.check()?;
    match NAMES.iter().position(|known| *known == name) {
        Some(i) => MAKES[i](options, demand),
        None => Err(Error::new(format!("policy = {name:?}"), format!("one of {}", NAMES.join(", ")))),
    }
}
