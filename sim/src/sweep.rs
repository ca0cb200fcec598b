//! Many runs at once: scenarios by seeds by policies, in chunks that any number of threads, runs of the program and machines can share.
//!
//! The work list is fixed by the [`Manifest`]: cases, which are a scenario with a seed, in the order scenario by scenario, seed by seed, cut into
//! chunks of [`CHUNK`] cases. All policies meet a case alike. A chunk is a file that is whole or not there, so that a sweep that was killed goes
//! on where it was; the tables are made from all chunks in order, so that their bytes do not depend on who made which chunk when.
mod compare;
mod folder;
mod page;
mod parquet;
mod row;

pub use compare::{Comparison, Interval, METRICS, Metric, Summary, bootstrap};
pub use folder::{Folder, Manifest, Shard};
pub use row::{MachineRow, Row};

use crate::any_scenario::AnyScenario;
use crate::error::Error;
use crate::fleet::scenario::FleetScenario;
use crate::fleet::stage::FleetStage;
use crate::oracle::{best_found, hindsight, hindsight_training};
use crate::random::fnv1a;
use crate::report::FleetRun;
use crate::scenario::Scenario;
use crate::simulate::{simulate, simulate_training};
use crate::trace::Trace;
use rayon::prelude::*;
use row::Rows;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use supple_strategy::{Demand, Ladder, Policy, Record, policies};

/// Cases in a chunk.
pub const CHUNK: usize = 8;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Scenarios, which know where their files are; their own seeds are not used.
    pub scenarios: Vec<AnyScenario>,
    /// Names of policies; the first is what the others are compared with.
    pub policies: Vec<String>,
    /// Seeds.
    pub seeds: Range<u64>,
    /// What the machine can do.
    pub ladder: Ladder,
    /// Whether hindsight is asked, which costs some hundred times a run.
    pub regret: bool,
    /// Whether every request is written down too.
    pub events: bool,
}

impl Sweep {
    /// Which sweep this is, and how its work is cut.
    ///
    /// # Errors
    /// When there is nothing to run, a policy is not known, two scenarios have one name, or a trace cannot be had.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        self.check()?;
        let mut content = format!("{:?}", self.ladder);
        for scenario in &self.scenarios {
            content += &self.content(scenario)?;
        }
        let count = |of: fn(&FleetScenario) -> usize, one| {
            let count = |scenario: &AnyScenario| match scenario {
                AnyScenario::Plain(_) => one,
                AnyScenario::Fleet(fleet) => of(fleet),
            };
            self.scenarios.iter().map(count).collect()
        };
        Ok(Manifest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenarios: self.scenarios.iter().map(|scenario| scenario.name().to_owned()).collect(),
            models: count(|fleet| fleet.models.len(), 1),
            machines: count(|fleet| fleet.machines.len(), 0),
            policies: self.policies.clone(),
            seeds: [self.seeds.start, self.seeds.end],
            regret: self.regret,
            events: self.events,
            content: format!("{:016x}", fnv1a(&content)),
        })
    }

    /// A scenario in full: its tables, and what it takes from files.
    fn content(&self, scenario: &AnyScenario) -> Result<String, Error> {
        match scenario {
            AnyScenario::Plain(plain) => {
                let arrivals = plain.load.file.as_ref().map(|_| plain.arrivals(&self.ladder)).transpose()?;
                Ok(format!("{:?} {:?} {arrivals:?}", plain.as_ref().clone().contents(), plain.trace()?))
            }
            AnyScenario::Fleet(fleet) => {
                let world = serde_json::to_string(&FleetStage::new(fleet, &self.ladder)?.world());
                let world = world.map_err(|cause| Error::file(fleet.origin(), cause.into()))?;
                Ok(format!("{:?} {:016x}", fleet.as_ref().clone().contents(), fnv1a(&world)))
            }
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.scenarios.is_empty() || self.policies.is_empty() || self.seeds.is_empty() {
            let found = (self.scenarios.len(), self.policies.len(), self.seeds.end.saturating_sub(self.seeds.start));
            let found = format!("sweep of {} scenarios, {} policies, {} seeds", found.0, found.1, found.2);
            return Err(Error::field(found, "at least one of each"));
        }
        twice("scenarios", self.scenarios.iter().map(AnyScenario::name))?;
        twice("policies", self.policies.iter().map(|name| &**name))?;
        for scenario in &self.scenarios {
            let options = match scenario {
                AnyScenario::Plain(plain) => &plain.policy,
                AnyScenario::Fleet(fleet) => &fleet.policy,
            };
            let make = |name: &String| policies::by_name(name, options, &Demand::default()).map(drop);
            self.policies.iter().try_for_each(make).map_err(|cause| Error::entry("policy", cause))?;
        }
        Ok(())
    }

    /// Runs what is missing of a shard on the threads of the present pool, chunk by chunk. `on_chunk` is told how many chunks of how many are there,
    /// and says whether to go on. True when nothing of the shard is missing any more.
    ///
    /// # Errors
    /// The first that a run or a file has.
    pub fn run(
        &self,
        folder: &Folder,
        shard: Shard,
        on_chunk: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<bool, Error> {
        let all = folder.manifest().chunks();
        let mine = (0..all).filter(|&chunk| shard.has(chunk));
        let (there, missing): (Vec<usize>, Vec<usize>) = mine.partition(|&chunk| folder.has(chunk));
        let (done, go_on) = (AtomicUsize::new(there.len()), AtomicBool::new(true));
        let total = there.len() + missing.len();
        missing.par_iter().with_max_len(1).try_for_each(|&chunk| {
            if !go_on.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (rows, events) = self.chunk(folder.manifest(), folder.manifest().cases(chunk))?;
            folder.write(chunk, &rows, &events)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if !on_chunk(done, total) {
                go_on.store(false, Ordering::Relaxed);
            }
            Ok(())
        })?;
        Ok(done.into_inner() == total)
    }

    /// The runs of some cases, in order, and their requests where these are wanted.
    fn chunk(&self, manifest: &Manifest, cases: Range<usize>) -> Result<(Rows, Vec<parquet::Event>), Error> {
        let (mut rows, mut events) = (Rows::default(), Vec::new());
        for case in cases {
            let (scenario, seed) = manifest.case(case);
            match self.scenarios[scenario].clone().with_seed(seed) {
                AnyScenario::Plain(plain) => self.plain(&plain, &mut rows, &mut events)?,
                AnyScenario::Fleet(fleet) => self.fleet(&fleet, &mut rows, &mut events)?,
            }
        }
        Ok((rows, events))
    }

    fn plain(&self, scenario: &Scenario, rows: &mut Rows, events: &mut Vec<parquet::Event>) -> Result<(), Error> {
        let trace = scenario.trace()?;
        let named = (&*scenario.name, scenario.seed);
        let oracle = self.oracle(scenario, &trace)?;
        for name in &self.policies {
            let mut policy = self.policy(name, scenario)?;
            if scenario.training.is_some() {
                let run = simulate_training(scenario, &self.ladder, &trace, policy.as_mut(), name)?;
                self.put(Row::of_training(named, &run, oracle), &run.records, rows, events);
            } else {
                let run = simulate(scenario, &self.ladder, &trace, policy.as_mut(), name)?;
                self.put(Row::of_serving(named, &run, oracle), &run.records, rows, events);
            }
        }
        Ok(())
    }

    /// What hindsight gets, where it is asked.
    fn oracle(&self, scenario: &Scenario, trace: &Trace) -> Result<Option<f64>, Error> {
        Ok(match scenario.training {
            _ if !self.regret => None,
            Some(_) => Some(hindsight_training(scenario, &self.ladder, trace)?.worth),
            None => Some(hindsight(scenario, &self.ladder, trace)?.on_time_accuracy),
        })
    }

    fn fleet(&self, scenario: &FleetScenario, rows: &mut Rows, events: &mut Vec<parquet::Event>) -> Result<(), Error> {
        let stage = FleetStage::new(scenario, &self.ladder)?;
        let best = self.regret.then(|| best_found(&stage)).transpose()?;
        let named = (&*scenario.name, scenario.seed);
        for name in &self.policies {
            let FleetRun { runs, training, machines } = stage.run(name)?;
            for (i, run) in runs.iter().enumerate() {
                let oracle = best.as_ref().map(|best| best.runs[i].on_time_accuracy);
                self.put(Row::of_serving(named, run, oracle), &run.records, rows, events);
            }
            for (i, run) in training.iter().enumerate() {
                let oracle = best.as_ref().map(|best| best.training[i].worth);
                self.put(Row::of_training(named, run, oracle), &run.records, rows, events);
            }
            let (scenario, seed) = (&scenario.name, scenario.seed);
            rows.machines.extend(machines.into_iter().map(|run| MachineRow { scenario: scenario.clone(), seed, run }));
        }
        Ok(())
    }

    fn put(&self, row: Row, records: &[Record], rows: &mut Rows, events: &mut Vec<parquet::Event>) {
        if self.events {
            events.extend(parquet::Event::all(&row, records));
        }
        rows.runs.push(row);
    }

    fn policy(&self, name: &str, scenario: &Scenario) -> Result<Box<dyn Policy>, Error> {
        let made = policies::by_name(name, &scenario.policy, &scenario.demand(&self.ladder));
        made.map_err(|cause| Error::entry("policy", cause).within(scenario.origin().display()))
    }
}

/// Refuses names that come twice.
fn twice<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::field(format!("{field}: {name}"), "each name once")),
        None => Ok(()),
    }
}

/// The result of a whole sweep: its rows in order.
#[derive(Clone, Debug)]
pub struct Results {
    /// Which sweep it is.
    pub manifest: Manifest,
    /// One row a run; of fleets, one for each model.
    pub rows: Vec<Row>,
    /// One row for each machine of a fleet in a run.
    pub machines: Vec<MachineRow>,
}

impl Results {
    /// Each policy against the first, scenario by scenario.
    pub fn comparisons(&self) -> Vec<Comparison> {
        compare::comparisons(&self.rows, &self.manifest.policies)
    }

    /// Means over the seeds, a line for each scenario and policy.
    pub fn summaries(&self) -> Vec<Summary> {
        compare::summaries(&self.rows)
    }

    /// The table of runs as a Parquet file.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn parquet(&self) -> Result<Vec<u8>, Error> {
        parquet::runs(&self.rows)
    }

    /// Writes `runs.parquet`, `comparison.json` and `report.html` into a folder, and `machines.parquet` where there are fleets.
    ///
    /// # Errors
    /// When one cannot be made or written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let (summaries, comparisons) = (self.summaries(), self.comparisons());
        let file = |name: &str, bytes: &[u8]| crate::report::write_atomically(&folder.join(name), bytes);
        let json = serde_json::json!({ "summaries": summaries, "comparisons": comparisons });
        file("runs.parquet", &self.parquet()?)?;
        if !self.machines.is_empty() {
            file("machines.parquet", &parquet::machines(&self.machines)?)?;
        }
        file("comparison.json", format!("{json:#}\n").as_bytes())?;
        file("report.html", page::page(&self.manifest, &summaries, &comparisons)?.as_bytes())
    }
}
