//! What came out of the runs of a scenario.
use crate::fleet::scenario::FleetScenario;
use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};

mod fidelity;
#[cfg(feature = "full")]
pub(crate) mod html;
mod machine;
#[cfg(feature = "full")]
mod page;
mod perfetto;
#[cfg(feature = "full")]
mod plots;
mod run;
pub(crate) mod table;
mod training;
#[cfg(feature = "full")]
mod write;

pub use fidelity::Fidelity;
pub use machine::MachineRun;
pub use run::{PlantName, Run};
pub use training::TrainingRun;
#[cfg(feature = "full")]
pub use write::write_atomically;

/// One policy driving the models of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetRun {
    /// The models that are served, in the order of the scenario.
    pub runs: Vec<Run>,
    /// The models that are trained, in the order of the scenario.
    pub training: Vec<TrainingRun>,
    /// The machines, in the order of the scenario.
    pub machines: Vec<MachineRun>,
}

/// The runs of one scenario. The same runs give the same bytes, in every form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// Serving runs.
    pub runs: Vec<Run>,
    /// Training runs; left out of the file when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub training: Vec<TrainingRun>,
    /// The machines of a fleet, under each policy; left out of the file when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<MachineRun>,
}

impl FleetRun {
    /// Mean over the models of what hindsight makes most of: right answers in time of served ones, [`TrainingRun::worth`] of trained ones.
    pub fn worth(&self) -> f64 {
        let served = self.runs.iter().map(|run| run.on_time_accuracy);
        let trained = self.training.iter().map(|run| run.worth);
        let models = self.runs.len() + self.training.len();
        run::ratio(served.chain(trained).sum(), models as f64)
    }

    /// Pieces of work, done or not, that there are records of.
    pub(crate) fn pieces(&self) -> usize {
        let served = self.runs.iter().map(|run| run.records.len());
        served.chain(self.training.iter().map(|run| run.records.len())).sum()
    }

    fn in_hindsight(&self) -> bool {
        let served = self.runs.iter().map(|run| &run.policy);
        served.chain(self.training.iter().map(|run| &run.policy)).any(|policy| Run::is_hindsight(policy))
    }

    /// The same, where each model says what it has to regret after this run, made in hindsight, of the same fleet.
    #[must_use]
    pub fn regretting(mut self, best: &Self) -> Self {
        for (run, best) in self.runs.iter_mut().zip(&best.runs) {
            run.regret = Some(best.on_time_accuracy - run.on_time_accuracy);
        }
        for (run, best) in self.training.iter_mut().zip(&best.training) {
            run.regret = Some(best.worth - run.worth);
        }
        self
    }
}

impl Report {
    /// The report on serving runs of a scenario. Where the oracle is among them, it says what the other simulated runs have to regret.
    pub fn new(scenario: &Scenario, mut runs: Vec<Run>) -> Self {
        let best = runs.iter().find(|run| run.policy == Run::ORACLE).map(|run| run.on_time_accuracy);
        for run in runs.iter_mut().filter(|run| run.plant == PlantName::Sim) {
            run.regret = best.map(|best| best - run.on_time_accuracy);
        }
        let (training, machines) = (Vec::new(), Vec::new());
        Self { scenario: scenario.name.clone(), seed: scenario.seed, runs, training, machines }
    }

    /// The report on runs of a fleet, one for each policy. Where a run in hindsight is among them, it says what the others have to regret.
    pub fn of_fleet(scenario: &FleetScenario, fleets: Vec<FleetRun>) -> Self {
        let best = fleets.iter().find(|fleet| fleet.in_hindsight()).cloned();
        let regretting = |fleet: FleetRun| match &best {
            Some(best) => fleet.regretting(best),
            None => fleet,
        };
        let (scenario, seed) = (scenario.name.clone(), scenario.seed);
        let mut report = Self { scenario, seed, runs: Vec::new(), training: Vec::new(), machines: Vec::new() };
        for fleet in fleets.into_iter().map(regretting) {
            report.runs.extend(fleet.runs);
            report.training.extend(fleet.training);
            report.machines.extend(fleet.machines);
        }
        report
    }

    /// The same report with these training runs. Where the oracle is among them, it says what the other simulated runs have to regret.
    #[must_use]
    pub fn with_training(self, mut training: Vec<TrainingRun>) -> Self {
        let best = training.iter().find(|run| run.policy == Run::ORACLE).map(|run| run.worth);
        for run in training.iter_mut().filter(|run| run.plant == PlantName::Sim && run.policy != Run::ORACLE) {
            run.regret = best.map(|best| best - run.worth);
        }
        Self { training, ..self }
    }

    /// The contents of `report.json`: indented, with a line end at the end.
    ///
    /// # Errors
    /// When a figure cannot be written as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The machines of a fleet, whose shares are the same under every policy.
    pub(super) fn machines_once(&self) -> impl Iterator<Item = &MachineRun> {
        let first = self.machines.first().map(|machine| &machine.policy);
        self.machines.iter().filter(move |machine| Some(&machine.policy) == first)
    }

    /// For each policy that ran on both plants, how far the simulated run is from the live one.
    pub fn fidelity(&self) -> Vec<Fidelity> {
        let live = self.runs.iter().filter(|run| run.plant == PlantName::Live);
        let twin = |live: &Run| self.runs.iter().find(|run| run.plant == PlantName::Sim && run.policy == live.policy);
        live.filter_map(|live| twin(live).map(|sim| Fidelity::of(live, sim))).collect()
    }
}
