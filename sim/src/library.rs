//! The scenarios that Supple ships, and a ladder to run them on.
use supple_strategy::{Error, Ladder};

/// A shipped scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Its name, which is also that of its file.
    pub name: &'static str,
    /// The text of its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../scenarios/", $name, ".toml")) }),*]
    };
}

/// All of them.
pub const ALL: &[Shipped] = shipped![
    "burst" "busy-host" "changing-demand" "co-tenant" "demo" "diurnal" "flicker" "heat" "night" "noisy-bandwidth"
    "overload" "preempted" "replayed" "spot" "spot-training" "tokens" "train-beside-serving" "training" "two-models"
];

/// The one of this name.
pub fn by_name(name: &str) -> Option<Shipped> {
    ALL.iter().copied().find(|shipped| shipped.name == name)
}

/// A ladder measured of the shipped CNN on the development machine, for those who have no model at hand. It does not say which batch it was
/// measured with, so that it fits every scenario: its rungs stand for whatever a request or a step is there.
///
/// # Errors
/// When the shipped file is not a ladder.
pub fn ladder() -> Result<Ladder, Error> {
    let ladder: Ladder = serde_json::from_str(include_str!("../scenarios/ladder.json"))
        .map_err(|cause| Error::new(format!("ladder.json: {cause}"), "a ladder"))?;
    ladder.check()?;
    Ok(ladder)
}
