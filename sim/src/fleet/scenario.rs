//! Machines, models, a router, demands, policy and seed of a run, in TOML.
use crate::error::Error;
use crate::fleet::tables::{Machine, Model};
use crate::origin::Origin;
use crate::routers::RouterName;
use crate::scenario::read_checked;
use crate::tables::positive;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use supple_strategy::Nanos;
use supple_strategy::policies::PolicyOptions;

/// A run of models on machines, to be simulated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FleetScenario {
    /// Name, as in reports.
    pub name: String,
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Requests arrive for this long, in seconds.
    pub duration_s: f64,
    /// Which of the machines that serve a model takes a request.
    #[serde(default)]
    pub router: RouterName,
    /// How cautious policies are.
    #[serde(default)]
    pub policy: PolicyOptions,
    /// The machines.
    #[serde(rename = "machine")]
    pub machines: Vec<Machine>,
    /// The models.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
    #[serde(skip)]
    origin: Origin,
}

impl FleetScenario {
    /// Most machines, and most models; a scenario with more is refused.
    pub const MOST: usize = 1000;

    /// A scenario from its text; `origin` stands in errors, and files are looked up beside it.
    ///
    /// # Errors
    /// When the text is not TOML, or has a field that is not as it must be.
    pub fn parse(text: &str, origin: impl AsRef<Path>) -> Result<Self, Error> {
        let origin = origin.as_ref();
        let scenario = read_checked(text, origin, Self::check)?;
        Ok(Self { origin: Origin::new(origin), ..scenario })
    }

    fn check(&self) -> Result<(), Error> {
        positive("duration_s", self.duration_s)?;
        self.policy.check().map_err(|cause| Error::entry("policy", cause))?;
        names("machine", self.machines.iter().map(|machine| &*machine.name))?;
        names("model", self.models.iter().map(|model| &*model.name))?;
        for (i, machine) in self.machines.iter().enumerate() {
            machine.check().map_err(|error| error.below(&format!("machine[{i}]")))?;
        }
        for (i, model) in self.models.iter().enumerate() {
            let checked = model.check().and_then(|()| self.check_machines(model));
            checked.map_err(|error| error.below(&format!("model[{i}]")))?;
        }
        Ok(())
    }

    fn check_machines(&self, model: &Model) -> Result<(), Error> {
        let unknown = |name: &&String| !self.machines.iter().any(|machine| machine.name == **name);
        if let Some(name) = model.machines.iter().find(unknown) {
            return Err(Error::field(format!("machines: {name:?}"), "names of machines"));
        }
        let mut seen = BTreeSet::new();
        if let Some(name) = model.machines.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::field(format!("machines: {name:?} twice"), "each machine once"));
        }
        let machines = self.machines_of(model).len();
        if model.training.is_some() && machines != 1 {
            return Err(Error::field(format!("machines: {machines} machines"), "one, to train on"));
        }
        Ok(())
    }

    /// The file that the scenario is from, as errors name it.
    pub fn origin(&self) -> &Path {
        self.origin.file()
    }

    /// How long requests arrive.
    pub fn duration(&self) -> Nanos {
        Nanos::from_seconds(self.duration_s)
    }

    /// The same scenario for this many seconds instead of its own.
    ///
    /// # Errors
    /// Unless the number is finite and above zero.
    pub fn lasting(self, seconds: f64) -> Result<Self, Error> {
        positive("duration_s", seconds)?;
        Ok(Self { duration_s: seconds, ..self })
    }

    /// The same scenario with the files that it names looked up in this folder instead of beside it.
    #[must_use]
    pub fn with_files_in(self, folder: Option<&Path>) -> Self {
        Self { origin: self.origin.with_files_in(folder), ..self }
    }

    /// The folder that files are looked up in.
    pub(crate) fn folder(&self) -> &Path {
        self.origin.folder()
    }

    /// Whether the scenario names files.
    pub fn needs_files(&self) -> bool {
        let of_machines = self.machines.iter().any(|machine| machine.traces().any(|(_, table)| table.needs_files()));
        of_machines || self.models.iter().any(Model::needs_files)
    }

    /// What is run, without where it was read: two scenarios with equal contents and equal files are the same.
    #[must_use]
    pub fn contents(self) -> Self {
        Self { origin: Origin::default(), ..self }
    }

    /// The machines of a model, by their numbers in order: those that it names, else all.
    pub(crate) fn machines_of(&self, model: &Model) -> Vec<usize> {
        let named = |name: &str| model.machines.is_empty() || model.machines.iter().any(|machine| machine == name);
        let all = self.machines.iter().enumerate();
        all.filter(|(_, machine)| named(&machine.name)).map(|(i, _)| i).collect()
    }
}

/// Refuses no names, too many, empty ones, and names that come twice.
fn names<'a>(table: &str, names: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    let (count, most) = (names.len(), FleetScenario::MOST);
    if !(1..=most).contains(&count) {
        return Err(Error::field(format!("{table}: {count} tables"), format!("1 to {most}")));
    }
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        if name.is_empty() || !seen.insert(name) {
            return Err(Error::field(format!("{table}[{i}].name = {name:?}"), "a name that no other has"));
        }
    }
    Ok(())
}
