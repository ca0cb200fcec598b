//! The tables of a fleet's scenario: `[[machine]]` and `[[model]]`.
use crate::error::Error;
use crate::load_table::Load;
use crate::resources::Heat;
use crate::tables::{Device, MechanismName, Request, Training, Wants, at_least_one};
use crate::trace::table::{Map, TraceTable};
use serde::Deserialize;
use std::path::PathBuf;
use supple_strategy::Nanos;

/// How the tasks of a machine share its processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Equally; see [`Shared`](crate::resources::Shared).
    #[default]
    Shared,
    /// In proportion to the weights of their models; see [`MaxMin`](crate::resources::MaxMin).
    MaxMin,
    /// One after another; see [`Fifo`](crate::resources::Fifo).
    Fifo,
}

/// A table `[[machine]]`. Without memory, cache, bandwidth, link and heat it is a processor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// How many times faster it is than the machine that the ladders were measured on.
    #[serde(default = "whole")]
    pub speed: f64,
    /// How tasks share the processor.
    #[serde(default)]
    pub sharing: Sharing,
    /// The share of the processor over time; all of it unless said.
    pub trace: Option<TraceTable>,
    /// How it turns its share into progress; a fleet does not model ticks.
    #[serde(default)]
    pub device: Device,
    /// Whether it is there over time: where this is zero it is away, with all that ran on it.
    pub presence: Option<TraceTable>,
    /// Its memory, where it is modelled.
    pub memory: Option<Memory>,
    /// Its cache, where it is modelled; it stretches traffic, so that it needs a bandwidth to count.
    pub cache: Option<Cache>,
    /// The bandwidth between processor and memory, where it is modelled.
    pub bandwidth: Option<Flow>,
    /// The link to the world, where it is modelled.
    pub link: Option<Flow>,
    /// Power and heat, where they are modelled.
    pub heat: Option<Heat>,
}

impl Machine {
    pub(crate) fn check(&self) -> Result<(), Error> {
        within("speed", self.speed, 1e-3, 1e3)?;
        self.device.check()?;
        if self.device.mechanism == MechanismName::Quota && self.device.tick_ms != 0.0 {
            let found = format!("device.tick_ms = {}", self.device.tick_ms);
            return Err(Error::field(found, "0: ticks are not modelled in a fleet"));
        }
        share("trace", self.trace.as_ref())?;
        share("presence", self.presence.as_ref())?;
        self.memory.as_ref().map_or(Ok(()), Memory::check)?;
        self.cache.as_ref().map_or(Ok(()), Cache::check)?;
        self.bandwidth.as_ref().map_or(Ok(()), |flow| flow.check("bandwidth"))?;
        self.link.as_ref().map_or(Ok(()), |flow| flow.check("link"))?;
        self.heat.as_ref().map_or(Ok(()), Heat::check)
    }

    /// Its traces, with the places where they stand.
    pub(crate) fn traces(&self) -> impl Iterator<Item = (&'static str, &TraceTable)> {
        let parts = [
            ("trace", self.trace.as_ref()),
            ("presence", self.presence.as_ref()),
            ("memory.trace", self.memory.as_ref().and_then(|memory| memory.trace.as_ref())),
            ("cache.trace", self.cache.as_ref().and_then(|cache| cache.trace.as_ref())),
            ("bandwidth.trace", self.bandwidth.as_ref().and_then(|flow| flow.trace.as_ref())),
            ("link.trace", self.link.as_ref().and_then(|flow| flow.trace.as_ref())),
        ];
        parts.into_iter().filter_map(|(place, table)| table.map(|table| (place, table)))
    }
}

/// Table `[machine.memory]`, see [`Memory`](crate::Memory).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Bytes when the trace gives all.
    pub bytes: f64,
    /// How much of it there is over time; all unless said.
    pub trace: Option<TraceTable>,
    /// Part of what there is that can be held without a slow-down.
    #[serde(default = "whole")]
    pub comfortable: f64,
    /// By how many times longer everything takes when all of it is held.
    #[serde(default)]
    pub slope: f64,
}

impl Memory {
    fn check(&self) -> Result<(), Error> {
        within("memory.bytes", self.bytes, 1.0, MOST_BYTES)?;
        within("memory.comfortable", self.comfortable, 0.0, 1.0)?;
        within("memory.slope", self.slope, 0.0, 1e6)?;
        share("memory.trace", self.trace.as_ref())
    }
}

/// Table `[machine.cache]`, see [`Cache`](crate::Cache).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Bytes when the trace gives all.
    pub bytes: f64,
    /// How much of it there is over time; all unless said.
    pub trace: Option<TraceTable>,
    /// How many times more bytes a task moves when nothing of what it holds fits.
    pub reuse: f64,
}

impl Cache {
    fn check(&self) -> Result<(), Error> {
        within("cache.bytes", self.bytes, 1.0, MOST_BYTES)?;
        within("cache.reuse", self.reuse, 0.0, 1e6)?;
        share("cache.trace", self.trace.as_ref())
    }
}

/// Tables `[machine.bandwidth]` and `[machine.link]`: bytes a second, shared equally.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Bytes a second when the trace gives all.
    pub bytes_per_s: f64,
    /// How much of it there is over time; all unless said.
    pub trace: Option<TraceTable>,
}

impl Flow {
    fn check(&self, table: &str) -> Result<(), Error> {
        within(&format!("{table}.bytes_per_s"), self.bytes_per_s, 1.0, MOST_BYTES)?;
        share(&format!("{table}.trace"), self.trace.as_ref())
    }
}

/// A table `[[model]]`: a model that is served, or, with a table `[model.training]`, trained.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The machines that serve it, by name; all unless said. A model is trained on one.
    #[serde(default)]
    pub machines: Vec<String>,
    /// Path of the file of its ladder; the ladder of the run unless said.
    pub ladder: Option<PathBuf>,
    /// How many times as much work a request or a step is as those that the ladder was measured with.
    #[serde(default = "whole")]
    pub work: f64,
    /// Weight of its tasks on machines with `sharing = "max_min"`.
    #[serde(default = "one")]
    pub weight: u32,
    /// When requests arrive.
    #[serde(default)]
    pub load: Load,
    /// What a request is.
    #[serde(default)]
    pub request: Request,
    /// Bytes that a request brings over the link.
    #[serde(default)]
    pub transferred: f64,
    /// How requests are put together.
    #[serde(default)]
    pub batching: Batching,
    /// What the user wants of it.
    #[serde(default)]
    pub demand: Wants,
    /// The training run, for a model that is trained.
    pub training: Option<Training>,
    /// What a training run keeps, for a model that is trained.
    #[serde(default)]
    pub checkpoints: Checkpoints,
}

impl Model {
    pub(crate) fn check(&self) -> Result<(), Error> {
        within("work", self.work, 1e-6, 1e6)?;
        at_least_one("weight", self.weight.into())?;
        self.load.check()?;
        self.request.check()?;
        within("transferred", self.transferred, 0.0, MOST_BYTES)?;
        self.batching.check()?;
        self.demand.check()?;
        self.training.as_ref().map_or(Ok(()), Training::check)?;
        self.checkpoints.check()?;
        if self.training.is_none() && self.checkpoints != Checkpoints::default() {
            return Err(Error::field("checkpoints", "it only with a table [model.training]"));
        }
        Ok(())
    }

    /// Whether files are read for it.
    pub(crate) fn needs_files(&self) -> bool {
        self.ladder.is_some() || self.load.file.is_some()
    }
}

/// Table `[model.batching]`, see [`Batching`](supple_strategy::Batching).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Most requests in a batch.
    pub most: u32,
    /// How long the first of a batch that is not full waits for more, in milliseconds.
    pub patience_ms: f64,
    /// Part of the time of one request that a batch takes once.
    pub fixed: f64,
}

impl Default for Batching {
    fn default() -> Self {
        Self { most: 1, patience_ms: 0.0, fixed: 0.0 }
    }
}

impl Batching {
    fn check(&self) -> Result<(), Error> {
        at_least_one("batching.most", self.most.into())?;
        within("batching.patience_ms", self.patience_ms, 0.0, 1e9)?;
        within("batching.fixed", self.fixed, 0.0, 1.0)
    }

    pub(crate) fn batching(&self) -> supple_strategy::Batching {
        let patience = Nanos::from_seconds(self.patience_ms / 1e3);
        supple_strategy::Batching { most: self.most as usize, patience, fixed: self.fixed }
    }
}

/// Table `[model.checkpoints]`: what a training run keeps, and what it costs to go on from there when the machine comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoints {
    /// Steps between checkpoints; zero for none, so that a loss loses all.
    pub every: usize,
    /// Processor time of a checkpoint, in milliseconds.
    pub cost_ms: f64,
    /// Processor time of going on from one after a loss, in milliseconds.
    pub restart_ms: f64,
}

impl Checkpoints {
    fn check(&self) -> Result<(), Error> {
        within("checkpoints.cost_ms", self.cost_ms, 0.0, 1e9)?;
        within("checkpoints.restart_ms", self.restart_ms, 0.0, 1e9)
    }
}

/// More bytes than any machine has.
const MOST_BYTES: f64 = 1e18;

fn whole() -> f64 {
    1.0
}

fn one() -> u32 {
    1
}

fn within(field: &str, number: f64, least: f64, most: f64) -> Result<(), Error> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Error::field(format!("{field} = {number}"), format!("a number from {least} to {most}")))
}

/// Refuses a trace that is wrong, or no share.
fn share(place: &str, table: Option<&TraceTable>) -> Result<(), Error> {
    let Some(table) = table else { return Ok(()) };
    table.check().map_err(|error| error.moved("trace", place))?;
    if table.map != Map::Raw {
        return Ok(());
    }
    Err(Error::field(format!("{place}.map = \"raw\""), "a map that gives a share"))
}
