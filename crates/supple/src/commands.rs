//! The commands, one file each, and what they share.
pub mod analyze;
pub mod bench;
pub mod bench_analyze;
pub mod bench_kernels;
pub mod bench_sim;
pub mod calibrate;
pub mod demo;
pub mod fidelity;
pub mod ladder;
pub mod profile;
pub mod scenario;
pub mod sensitivity;
pub mod serve;
pub mod simulate;
pub mod sweep;
pub mod trace;
pub mod train;
pub mod train_scenario;

use crate::model::Model;
use crate::options::{Common, Play, Source};
use crate::samples;
use anyhow::{Context, Result, bail, ensure};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::de::DeserializeOwned;
use std::path::Path;
use supple_executor::{Backend, Batch, Executor};
use supple_models::{Data, ModelName};
use supple_sim::{AnyScenario, FleetScenario, Note, Report, Run, Scenario, Trace, library, write_atomically};
use supple_strategy::{Ladder, Policy, Stamp, policies};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what was asked.
    Done,
    /// It ran, but a demand was not kept.
    DemandNotKept,
    /// The user stopped it.
    Interrupted,
}

/// The policies that are compared when none is asked for.
const COMPARED: [&str; 2] = ["hold", "kalman"];

impl Common {
    /// The backend asked for, or the preferred one.
    pub(crate) fn backend(&self) -> Result<Backend> {
        Ok(match &self.backend {
            Some(name) => name.parse()?,
            None => Backend::preferred()?,
        })
    }
}

/// A trained model with what measures it: its data, an executor, and requests of one size.
pub(crate) struct Opened {
    pub model: Model,
    pub data: Data,
    pub executor: Executor,
    pub batches: Vec<Batch>,
    pub stamp: Stamp,
}

impl Source {
    /// The trained model; a built-in name stands for the one that Supple ships.
    pub(crate) fn model(&self) -> Result<Model> {
        match self.model.parse::<ModelName>() {
            Ok(ModelName::Cnn) => Model::demo(),
            Ok(name) => bail!("model: no weights are shipped for `{name}`; train it and give the file"),
            Err(_) if Path::new(&self.model).exists() => Model::read(Path::new(&self.model)),
            Err(error) => bail!("{error}, nor is there such a file"),
        }
    }

    /// The data that a model was trained on, from the same seed.
    pub(crate) fn data(&self, model: &Model) -> Result<Data> {
        let data = supple_models::load(model.name()?, self.data.as_deref(), model.about().seed)?;
        if data.name != model.about().data {
            bail!("data: {} was trained on {}, found {}", self.model, model.about().data, data.name);
        }
        Ok(data)
    }

    /// Opens everything that measuring and serving requests of `batch` samples need.
    pub(crate) fn open(&self, common: &Common, batch: usize) -> Result<Opened> {
        let model = self.model()?;
        let data = self.data(&model)?;
        let (backend, threads) = (common.backend()?, usize::from(self.threads));
        let executor = model.executor(backend)?.with_threads(threads);
        let batches = samples::fresh(&data.held_out, batch);
        ensure!(!batches.is_empty(), "held-out data: expected at least one row");
        let stamp = model.stamp(backend, threads, batch, &data.name);
        Ok(Opened { model, data, executor, batches, stamp })
    }
}

impl Play {
    /// The scenario of either form.
    pub(crate) fn any_scenario(&self) -> Result<AnyScenario> {
        let scenario = any_scenario(&self.scenario)?.with_files_in(self.traces.as_deref());
        Ok(match self.seed {
            Some(seed) => scenario.with_seed(seed),
            None => scenario,
        })
    }

    /// The scenario with its trace.
    pub(crate) fn scenario(&self) -> Result<(Scenario, Trace)> {
        read_scenario(&self.scenario, self.traces.as_deref(), self.seed)
    }

    /// The names of the policies to compare.
    pub(crate) fn policies(&self) -> Vec<String> {
        names_or_compared(&self.policy)
    }

    /// Writes the report where one is wanted.
    pub(crate) fn write<'a>(&self, report: &Report, trace: impl Into<Option<&'a Trace>>) -> Result<()> {
        let trace = trace.into();
        if let Some(folder) = &self.report {
            report.write(folder, trace)?;
            eprintln!("report: {}", folder.join("report.html").display());
        }
        if let Some(file) = &self.perfetto {
            write_atomically(file, report.perfetto(trace)?.as_bytes())?;
            eprintln!("trace: {}", file.display());
        }
        Ok(())
    }
}

pub(crate) fn names_or_compared(names: &[String]) -> Vec<String> {
    if names.is_empty() { COMPARED.map(str::to_owned).to_vec() } else { names.to_vec() }
}

/// A scenario by its name or file, and its trace.
pub(crate) fn read_scenario(name: &str, traces: Option<&Path>, seed: Option<u64>) -> Result<(Scenario, Trace)> {
    let mut scenario = named_scenario(name)?.with_files_in(traces);
    if let Some(seed) = seed {
        scenario.seed = seed;
    }
    let trace = scenario.trace()?;
    Ok((scenario, trace))
}

/// A scenario of one model on one machine, as [`any_scenario`] finds it.
pub(crate) fn named_scenario(name: &str) -> Result<Scenario> {
    match any_scenario(name)? {
        AnyScenario::Plain(scenario) => Ok(*scenario),
        AnyScenario::Fleet(_) => {
            bail!("{name}: a fleet: expected one model on one machine, without [[machine]] and [[model]]")
        }
    }
}

/// A scenario from a file or, where there is no such file, the shipped one of this name.
pub(crate) fn any_scenario(name: &str) -> Result<AnyScenario> {
    let shipped = library::by_name(name).filter(|_| !Path::new(name).exists());
    Ok(match shipped {
        Some(shipped) => AnyScenario::parse(shipped.text, shipped.name)?,
        None => AnyScenario::read(Path::new(name))?,
    })
}

/// A fresh policy for a scenario.
pub(crate) fn policy(name: &str, scenario: &Scenario, ladder: &Ladder) -> Result<Box<dyn Policy>> {
    Ok(policies::by_name(name, &scenario.policy, &scenario.demand(ladder))?)
}

/// Whether every guided run kept the scenario's demand; dense `hold` is there to be compared with, and counts only when it runs alone; hindsight never
/// counts.
pub(crate) fn demand_kept(report: &Report, scenario: &Scenario) -> End {
    let Some(ceiling) = scenario.demand.miss_ceiling else { return End::Done };
    let policies = || report.runs.iter().filter(|run| !Run::is_hindsight(&run.policy));
    let guided = policies().filter(|run| run.policy != "hold").count();
    let kept = policies().filter(|run| guided == 0 || run.policy != "hold").all(|run| run.miss_rate <= ceiling);
    if kept { End::Done } else { End::DemandNotKept }
}

/// Whether every guided model of a fleet kept its demand; dense `hold` counts only when it runs alone; hindsight never counts.
pub(crate) fn fleet_kept(report: &Report, scenario: &FleetScenario) -> End {
    let policies = || report.runs.iter().filter(|run| !Run::is_hindsight(&run.policy));
    let alone = policies().all(|run| run.policy == "hold");
    let ceiling = |run: &Run| {
        let model = scenario.models.iter().find(|model| Some(&model.name) == run.model.as_ref());
        model.and_then(|model| model.demand.miss_ceiling).unwrap_or(1.0)
    };
    let kept = policies().filter(|run| alone || run.policy != "hold").all(|run| run.miss_rate <= ceiling(run));
    if kept { End::Done } else { End::DemandNotKept }
}

/// Reads a value from a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Writes a value to a JSON file, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(write_atomically(path, text.as_bytes())?)
}

/// Reads a ladder and checks it; `reference`, where there is no such file, is the shipped one.
pub(crate) fn read_ladder(path: &Path) -> Result<Ladder> {
    if path == Path::new("reference") && !path.exists() {
        return Ok(library::ladder()?);
    }
    let ladder: Ladder = read_json(path)?;
    ladder.check().with_context(|| path.display().to_string())?;
    Ok(ladder)
}

/// Says what was noticed in files.
pub(crate) fn say(notes: &[Note]) {
    notes.iter().for_each(|note| eprintln!("note: {note}"));
}

/// A plain table with its numbers to the right.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row.into_iter().map(cell));
    }
    table
}

fn cell(text: String) -> Cell {
    let number = text.trim_end_matches('x').parse::<f64>().is_ok();
    Cell::new(text).set_alignment(if number { CellAlignment::Right } else { CellAlignment::Left })
}

/// The rungs of a ladder as a table.
pub(crate) fn ladder_table(ladder: &Ladder) -> Table {
    let dense = ladder.rungs()[0].cost.seconds;
    let rows = ladder.rungs().iter().enumerate().map(|(i, rung)| {
        let densities: Vec<String> = rung.setting.choices().iter().map(|c| c.density.to_string()).collect();
        vec![
            i.to_string(),
            format!("{:.3}", 1e3 * rung.cost.seconds),
            format!("{:.2}x", dense / rung.cost.seconds),
            format!("{:.2}", 100.0 * rung.quality),
            densities.join(" "),
        ]
    });
    table(&["rung", "ms", "speed-up", "accuracy %", "densities (per mille)"], rows)
}
