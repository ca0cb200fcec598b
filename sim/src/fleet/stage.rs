//! A fleet's scenario made ready: what every policy that runs in it meets alike.
use crate::actor::{Service, Training};
use crate::arrivals::{MOST, Source, arrivals};
use crate::error::Error;
use crate::fleet::scenario::FleetScenario;
use crate::fleet::tables::{self, Flow, Model, Sharing};
use crate::fleet::{Fleet, MachineId, Outage, ServiceId, TrainingId};
use crate::json::read_json;
use crate::machine::Machine;
use crate::mechanism::Mechanism;
use crate::report::{FleetRun, MachineRun, PlantName, Run, TrainingRun};
use crate::resource::Capacity;
use crate::resources::{AnyResource, Fifo, MaxMin, Quota, Shared, Thermal};
use crate::scenario::{dense, mean};
use crate::space::{Cache, Memory};
use crate::stage::check_batch;
use crate::supply::Supply;
use crate::tables::Training as TrainingTable;
use crate::trace::Trace;
use crate::trace::table::TraceTable;
use crate::workload::Arrival;
use crate::workloads::{AnyWorkload, Replayed};
use crate::world::{Limits, StopReason, World};
use std::path::Path;
use supple_strategy::{Changing, Demand, Ladder, Nanos, Policy, policies};

/// A fleet's scenario on simulated machines.
#[derive(Clone, Debug)]
pub struct FleetStage<'a> {
    scenario: &'a FleetScenario,
    fleet: Fleet<AnyResource, AnyWorkload>,
    machines: Vec<(MachineId, Vec<Outage>)>,
    parts: Vec<Part>,
}

/// What a policy is to drive.
#[derive(Clone, Copy, Debug)]
pub struct Driven<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Name of the machine.
    pub machine: &'a str,
    /// What the model costs in each setting.
    pub ladder: &'a Ladder,
    /// What is wanted of it at the beginning.
    pub demand: &'a Demand,
}

/// A model in the fleet.
#[derive(Clone, Debug)]
struct Part {
    id: PartId,
    ladder: Ladder,
    demand: Demand,
    changes: Vec<(Nanos, Demand)>,
    machines: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum PartId {
    Served(ServiceId),
    Trained(TrainingId, usize),
}

impl<'a> FleetStage<'a> {
    /// A fleet whose models cost what `ladder` says, but for those with a ladder of their own.
    ///
    /// # Errors
    /// When a file cannot be read, a trace cannot be made, a ladder was measured with another batch than its model has, or there are too many requests.
    pub fn new(scenario: &'a FleetScenario, ladder: &Ladder) -> Result<Self, Error> {
        Self::made(scenario, ladder).map_err(|error| error.within(scenario.origin().display()))
    }

    fn made(scenario: &'a FleetScenario, ladder: &Ladder) -> Result<Self, Error> {
        let fleet = Fleet::routed(scenario.seed, scenario.router.router());
        let mut stage = Self { scenario, fleet, machines: Vec::new(), parts: Vec::new() };
        let ladders = scenario.models.iter().enumerate().map(|(i, model)| ladder_of(scenario, i, model, ladder));
        let ladders: Vec<Ladder> = ladders.collect::<Result<_, _>>()?;
        let horizon = horizon(scenario, &ladders);
        (0..scenario.machines.len()).try_for_each(|i| stage.add(i, horizon))?;
        let mut requests = 0;
        for (i, ladder) in ladders.into_iter().enumerate() {
            requests += stage.place(i, ladder)?;
            if requests as f64 > MOST {
                return Err(Error::field(format!("{requests} requests and more"), format!("at most {MOST}")));
            }
        }
        Ok(stage)
    }

    fn add(&mut self, i: usize, horizon: Nanos) -> Result<(), Error> {
        let table = &self.scenario.machines[i];
        let at = Place { scenario: self.scenario, machine: i };
        let share = at.trace("trace", table.trace.as_ref())?;
        let full = Capacity::WHOLE.times(table.speed);
        let processor = processor(table, full).map_err(|error| error.below(&format!("machine[{i}]")))?;
        let mut machine = Machine::new(Supply::new(processor, full, share));
        if let Some(memory) = &table.memory {
            machine = machine.with_memory(at.memory(memory)?);
        }
        if let Some(cache) = &table.cache {
            let trace = at.trace("cache.trace", cache.trace.as_ref())?;
            machine = machine.with_cache(Cache { full: cache.bytes as u64, trace, reuse: cache.reuse });
        }
        if let Some(flow) = &table.bandwidth {
            machine = machine.with_bandwidth(at.flow("bandwidth.trace", flow)?);
        }
        if let Some(flow) = &table.link {
            machine = machine.with_link(at.flow("link.trace", flow)?);
        }
        let presence = at.trace("presence", table.presence.as_ref())?;
        let outages = outages(&presence, horizon).map_err(|error| error.moved("presence", &at.path("presence")))?;
        self.machines.push((self.fleet.add(machine, outages.clone()), outages));
        Ok(())
    }

    /// Places a model on its machines; how many requests there are for it.
    fn place(&mut self, i: usize, ladder: Ladder) -> Result<usize, Error> {
        let model = &self.scenario.models[i];
        let machines = self.scenario.machines_of(model);
        let ids: Vec<MachineId> = machines.iter().map(|&i| self.machines[i].0).collect();
        let service = dense(&ladder).median();
        let (id, deadline, requests) = match &model.training {
            Some(training) => {
                let run = self.trained(model, &ladder, training);
                let deadline = run.deadline;
                (PartId::Trained(self.fleet.train(run, ids[0]), training.steps), deadline, 0)
            }
            None => {
                let arrivals = self.arrivals(model, &ladder);
                let arrivals = arrivals.map_err(|error| error.moved("load", &format!("model[{i}].load")))?;
                let requests = arrivals.len();
                let run = self.served(model, &ladder, arrivals);
                let deadline = run.deadline;
                (PartId::Served(self.fleet.serve(run, &ids)), deadline, requests)
            }
        };
        let demand = model.demand.demand(deadline);
        let changes = model.demand.changes(demand, service, model.training.is_some());
        self.parts.push(Part { id, ladder, demand, changes, machines });
        Ok(requests)
    }

    /// When requests for a model arrive. The random stream of an only model is that of a scenario without models.
    fn arrivals(&self, model: &Model, ladder: &Ladder) -> Result<Vec<Arrival>, Error> {
        let owner = if self.scenario.models.len() == 1 { "load" } else { &model.name };
        let (service, seed) = (mean(dense(ladder)), self.scenario.seed);
        let source = Source { service, seed, owner, folder: self.scenario.folder() };
        arrivals(&model.load, self.scenario.duration(), source)
    }

    /// The name of a model's random streams.
    fn stream(&self, model: &Model) -> String {
        if self.scenario.models.len() == 1 { String::new() } else { model.name.clone() }
    }

    fn served(&self, model: &Model, ladder: &Ladder, arrivals: Vec<Arrival>) -> Service<AnyWorkload> {
        let median = dense(ladder).median();
        let deadline = model.request.deadline(median);
        let changes = model.demand.changes(model.demand.demand(deadline), median, false);
        Service {
            name: self.stream(model),
            deadlines: changes.into_iter().filter_map(|(when, demand)| Some((when, demand.deadline?))).collect(),
            batching: model.batching.batching(),
            samples: model.request.batch,
            transferred: model.transferred as u64,
            weight: model.weight,
            ..Service::new(ladder.clone(), Replayed::new(arrivals).into(), deadline)
        }
    }

    fn trained(&self, model: &Model, ladder: &Ladder, table: &TrainingTable) -> Training {
        let millis = |ms: f64| Nanos::from_seconds(ms / 1e3);
        let deadline = table.deadline(dense(ladder).median());
        Training {
            name: self.stream(model),
            checkpoint_every: model.checkpoints.every,
            checkpoint: millis(model.checkpoints.cost_ms),
            restart: millis(model.checkpoints.restart_ms),
            weight: model.weight,
            ..Training::new(ladder.clone(), table.steps, deadline)
        }
    }

    /// The world at time zero. Its policies are asked in the order of [`driven`](Self::driven).
    pub fn world(&self) -> World<Fleet<AnyResource, AnyWorkload>> {
        World::new(self.fleet.clone())
    }

    /// What there is to be driven, each model on each of its machines.
    pub fn driven(&self) -> impl Iterator<Item = Driven<'_>> {
        let models = self.scenario.models.iter().zip(&self.parts);
        models.flat_map(|(model, Part { ladder, demand, machines, .. })| {
            let machine = |&i: &usize| &*self.scenario.machines[i].name;
            machines.iter().map(move |i| Driven { model: &model.name, machine: machine(i), ladder, demand })
        })
    }

    /// A fresh policy for what it is to drive.
    ///
    /// # Errors
    /// When there is no policy of this name.
    pub(crate) fn policy(&self, name: &str, driven: Driven<'_>) -> Result<Box<dyn Policy>, Error> {
        let made = policies::by_name(name, &self.scenario.policy, driven.demand);
        made.map_err(|cause| Error::entry("policy", cause).within(self.scenario.origin().display()))
    }

    /// Lets the policy of this name drive every model on every machine, each by itself.
    ///
    /// # Errors
    /// When there is no such policy.
    pub fn run(&self, policy: &str) -> Result<FleetRun, Error> {
        self.run_with(policy, |driven| self.policy(policy, driven))
    }

    /// The same with policies that `make` makes, under the name of `policy` in reports.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn run_with(
        &self,
        policy: &str,
        make: impl FnMut(Driven<'_>) -> Result<Box<dyn Policy>, Error>,
    ) -> Result<FleetRun, Error> {
        let mut policies = self.driven().map(make).collect::<Result<Vec<_>, _>>()?;
        let mut lent: Vec<&mut dyn Policy> = policies.iter_mut().map(|policy| policy as &mut dyn Policy).collect();
        let (world, reason) = self.play(&mut lent);
        Ok(self.figures(policy, &world, reason))
    }

    /// The world at the end of a run of these policies, which are told of changes of the demand.
    pub(crate) fn play(
        &self,
        policies: &mut [&mut dyn Policy],
    ) -> (World<Fleet<AnyResource, AnyWorkload>>, StopReason) {
        let changes = self.parts.iter().flat_map(|part| part.machines.iter().map(|_| &part.changes));
        let told = policies.iter_mut().zip(changes);
        let mut told: Vec<_> = told.map(|(policy, changes)| Changing::new(&mut **policy, changes.clone())).collect();
        let mut lent: Vec<&mut dyn Policy> = told.iter_mut().map(|policy| policy as &mut dyn Policy).collect();
        let mut world = self.world();
        let reason = world.run(&mut lent, Limits::GENEROUS);
        (world, reason)
    }

    /// What came out of a run.
    pub(crate) fn figures(
        &self,
        policy: &str,
        world: &World<Fleet<AnyResource, AnyWorkload>>,
        reason: StopReason,
    ) -> FleetRun {
        let (fleet, now) = (world.model(), world.now());
        let (mut runs, mut training) = (Vec::new(), Vec::new());
        for (model, part) in self.scenario.models.iter().zip(&self.parts) {
            match part.id {
                PartId::Served(id) => {
                    let (offered, records) = (fleet.offered(id), fleet.records(id));
                    let run = Run::of(policy, PlantName::Sim, offered, records, &part.ladder);
                    runs.push(run.of_model(&model.name).ended(reason));
                }
                PartId::Trained(id, steps) => {
                    let (records, lost) = fleet.steps(id);
                    let due = part.demand.deadline.unwrap_or_default();
                    let run = TrainingRun::of(policy, PlantName::Sim, steps, due, records.to_vec(), &part.ladder);
                    training.push(run.of_model(&model.name, lost, &part.ladder).ended(reason));
                }
            }
        }
        let machines = self.scenario.machines.iter().zip(&self.machines);
        let machines = machines
            .map(|(table, (id, outages))| MachineRun::of((policy, &table.name), fleet, *id, outages, now))
            .collect();
        FleetRun { runs, training, machines }
    }
}

/// A machine of a scenario.
#[derive(Clone, Copy)]
struct Place<'a> {
    scenario: &'a FleetScenario,
    machine: usize,
}

impl Place<'_> {
    /// Where a table of the machine stands.
    fn path(self, place: &str) -> String {
        format!("machine[{}].{place}", self.machine)
    }

    /// A trace of the machine; all of what there is where none is given. Its random streams are named by the machine, so that others may come and go; those
    /// of the share of an only machine as in a scenario without machines.
    fn trace(self, place: &str, table: Option<&TraceTable>) -> Result<Trace, Error> {
        let Some(table) = table else { return Trace::constant(1.0) };
        let FleetScenario { machines, seed, .. } = self.scenario;
        let only = machines.len() == 1 && place == "trace";
        let stream = if only { place.to_owned() } else { format!("{} {place}", machines[self.machine].name) };
        let noted = table.trace_at(&stream, self.scenario.folder(), self.scenario.duration(), *seed);
        let path = self.path(place);
        noted.map(|noted| noted.value).map_err(|error| error.moved(&stream, &path).moved("trace", &path))
    }

    fn memory(self, table: &tables::Memory) -> Result<Memory, Error> {
        let trace = self.trace("memory.trace", table.trace.as_ref())?;
        let tables::Memory { bytes, comfortable, slope, .. } = *table;
        Ok(Memory { full: bytes as u64, trace, comfortable, slope })
    }

    fn flow(self, place: &str, flow: &Flow) -> Result<Supply<AnyResource>, Error> {
        let full = Capacity::per_second(flow.bytes_per_s);
        Ok(Supply::new(Shared::new(full).into(), full, self.trace(place, flow.trace.as_ref())?))
    }
}

fn processor(table: &tables::Machine, full: Capacity) -> Result<AnyResource, Error> {
    let shared: AnyResource = match table.sharing {
        Sharing::Shared => Shared::new(full).into(),
        Sharing::MaxMin => MaxMin::new(full).into(),
        Sharing::Fifo => Fifo::new(full, 1).into(),
    };
    let limited = match table.device.mechanism() {
        Mechanism::Quota { period, .. } => Box::new(Quota::new(shared, full, period)).into(),
        Mechanism::Fluid => shared,
    };
    match table.heat {
        Some(heat) => Ok(Box::new(Thermal::new(limited, heat, full)?).into()),
        None => Ok(limited),
    }
}

/// The ladder of a model: its own or that of the run, for pieces of its work.
fn ladder_of(scenario: &FleetScenario, i: usize, model: &Model, ladder: &Ladder) -> Result<Ladder, Error> {
    let at = |error: Error| error.below(&format!("model[{i}]"));
    let (field, batch) = match &model.training {
        Some(training) => ("training.batch", training.batch),
        None => ("request.batch", model.request.batch),
    };
    let own = match &model.ladder {
        Some(file) => &read_ladder(&scenario.folder().join(file))?,
        None => ladder,
    };
    check_batch(field, batch, own).map_err(at)?;
    own.times(model.work).map_err(|cause| Error::entry(format!("model[{i}].work"), cause))
}

fn read_ladder(path: &Path) -> Result<Ladder, Error> {
    let ladder: Ladder = read_json(path)?;
    ladder.check().map_err(|cause| Error::entry("ladder", cause).within(path.display()))?;
    Ok(ladder)
}

/// When nothing can be due any more.
fn horizon(scenario: &FleetScenario, ladders: &[Ladder]) -> Nanos {
    let last = scenario.models.iter().zip(ladders).map(|(model, ladder)| {
        let service = dense(ladder).median();
        let first = model.demand.demand(model.request.deadline(service));
        let later = model.demand.changes(first, service, false).into_iter().filter_map(|(_, demand)| demand.deadline);
        match &model.training {
            Some(training) => training.deadline(service),
            None => scenario.duration() + later.chain(first.deadline).max().unwrap_or_default(),
        }
    });
    last.max().unwrap_or_default().max(scenario.duration())
}

/// Most outages of a machine; a presence with more is refused.
const MOST_OUTAGES: usize = 1_000_000;

/// The spans in which a trace is zero that begin before `horizon`.
fn outages(presence: &Trace, horizon: Nanos) -> Result<Vec<Outage>, Error> {
    let mut outages: Vec<Outage> = Vec::new();
    let mut changes = 0;
    let mut now = Some(Nanos::ZERO);
    while let Some(from) = now.filter(|now| *now < horizon) {
        changes += 1;
        if changes > MOST_OUTAGES {
            let found = format!("presence: more than {MOST_OUTAGES} changes");
            return Err(Error::field(found, "fewer until the last deadline"));
        }
        now = presence.next_change(from);
        if presence.at(from) == 0.0 {
            let to = presence.next_positive(from).unwrap_or(Nanos::MAX);
            outages.push(Outage { from, to });
            now = Some(to);
        }
    }
    Ok(outages)
}
