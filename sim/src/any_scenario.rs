//! A scenario of either form: one model on one machine, or a fleet.
use crate::error::Error;
use crate::fleet::scenario::FleetScenario;
use crate::scenario::Scenario;
use std::path::Path;
use toml::de::DeTable;

/// A scenario as its file says: a fleet where there are tables `[[machine]]` or `[[model]]`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "full", schemars(untagged, title = "Scenario"))]
pub enum AnyScenario {
    /// One model on one machine.
    Plain(Box<Scenario>),
    /// Models on machines.
    Fleet(Box<FleetScenario>),
}

impl From<Scenario> for AnyScenario {
    fn from(scenario: Scenario) -> Self {
        Self::Plain(Box::new(scenario))
    }
}

impl From<FleetScenario> for AnyScenario {
    fn from(scenario: FleetScenario) -> Self {
        Self::Fleet(Box::new(scenario))
    }
}

/// The same expression on either form.
macro_rules! either {
    ($any:expr, $scenario:ident => $what:expr) => {
        match $any {
            AnyScenario::Plain($scenario) => $what,
            AnyScenario::Fleet($scenario) => $what,
        }
    };
}

impl AnyScenario {
    /// The JSON schema of a scenario file, for editors.
    #[cfg(feature = "full")]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Reads a scenario from a file; the files that it names are looked up beside it.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has a field that is not as it must be.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::file(path, cause))?;
        Self::parse(&text, path)
    }

    /// A scenario from its text; `origin` stands in errors, and files are looked up beside it.
    ///
    /// # Errors
    /// When the text is not TOML, or has a field that is not as it must be.
    pub fn parse(text: &str, origin: impl AsRef<Path>) -> Result<Self, Error> {
        let root = DeTable::parse(text);
        let has = |name| root.as_ref().is_ok_and(|root| root.get_ref().contains_key(name));
        if has("machine") || has("model") {
            FleetScenario::parse(text, origin).map(Self::from)
        } else {
            Scenario::parse(text, origin).map(Self::from)
        }
    }

    /// Its name, as in reports.
    pub fn name(&self) -> &str {
        either!(self, scenario => &scenario.name)
    }

    /// Seed of everything random.
    pub fn seed(&self) -> u64 {
        either!(self, scenario => scenario.seed)
    }

    /// The same with this seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        either!(&mut self, scenario => scenario.seed = seed);
        self
    }

    /// The same for this many seconds instead of its own.
    ///
    /// # Errors
    /// Unless the number is finite and above zero.
    pub fn lasting(self, seconds: f64) -> Result<Self, Error> {
        either!(self, scenario => scenario.lasting(seconds).map(Self::from))
    }

    /// The same with the files that it names looked up in this folder instead of beside it.
    #[must_use]
    pub fn with_files_in(self, folder: Option<&Path>) -> Self {
        either!(self, scenario => scenario.with_files_in(folder).into())
    }

    /// Whether the scenario names files.
    pub fn needs_files(&self) -> bool {
        either!(self, scenario => scenario.needs_files())
    }
}
