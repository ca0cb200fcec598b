//! Models served and trained on machines.
pub mod scenario;
pub mod stage;
pub mod tables;

use crate::actor::{Actor, Doing, Next, Role, Service, Trainee, Training};
use crate::event::EventId;
use crate::machine::{Left, Machine, Task, TaskId};
use crate::resource::Resource;
use crate::router::{Load, Router};
use crate::routers::AnyRouter;
use crate::workload::{Arrival, Workload};
use crate::world::{Agenda, Model, StopReason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use supple_strategy::{Nanos, policies::Hold};
use supple_strategy::{Policy, Record, Request, Server, Turn};

/// Machines, the models that are served and trained on them, and a router between the machines that serve the same model.
///
/// Each model on each machine is driven by a policy of its own, through the same [`Server`] and [`Learner`](supple_strategy::Learner)
/// that drive live runs. Policies are numbered in the order in which [`serve`](Self::serve) and [`train`](Self::train) were called, a
/// model on several machines taking one for each, in the order of the machines; where none is lent, the dense rung is held.
///
/// When a machine goes away, what ran on it is lost: requests wait again, before all others; a training run goes back to its last
/// checkpoint. Requests whose task finds no memory are lost, and a training run whose task finds none is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fleet<R, W, T = AnyRouter> {
    seed: u64,
    router: T,
    stations: Vec<Station<R>>,
    services: Vec<Served<W, T>>,
    actors: Vec<Actor>,
}

/// A machine of a fleet, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MachineId(usize);

/// A service of a fleet, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(usize);

/// A training run of a fleet, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrainingId(usize);

/// A span in which a machine is away, with all that ran on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it goes away.
    pub from: Nanos,
    /// When it comes back; [`Nanos::MAX`] for never.
    pub to: Nanos,
}

/// How the tasks of a machine left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Done.
    pub done: usize,
    /// Without memory, at their beginning or later.
    pub killed: usize,
    /// Lost when the machine went away.
    pub lost: usize,
}

/// What can happen in a fleet; at equal times in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FleetEvent {
    /// Something on this machine is done, or its resources change.
    Machine(usize),
    /// This machine goes away.
    Away(usize),
    /// This machine comes back.
    Back(usize),
    /// A request for this service arrives.
    Arrival(usize),
    /// This model on its machine may have something to do.
    Wake(usize),
    /// The trace of a processor says that the run ends.
    Stop,
}

impl FleetEvent {
    fn class(self) -> u8 {
        match self {
            Self::Machine(_) => 0,
            Self::Away(_) | Self::Back(_) => 1,
            Self::Arrival(_) => 2,
            Self::Wake(_) => 3,
            Self::Stop => 4,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Station<R> {
    machine: Machine<R>,
    outages: Vec<Outage>,
    counts: Counts,
    owners: BTreeMap<TaskId, usize>,
    event: Option<EventId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Served<W, T> {
    service: Service<W>,
    router: T,
    coming: Option<Arrival>,
    offered: usize,
    /// The actors that serve it.
    actors: Vec<usize>,
    records: Vec<(usize, Record)>,
}

type Plan = Agenda<FleetEvent>;

impl<R: Resource, W: Workload> Fleet<R, W> {
    /// A fleet without machines, whose router sends requests where there is least to do.
    pub fn new(seed: u64) -> Self {
        Self::routed(seed, AnyRouter::default())
    }
}

impl<R: Resource, W: Workload, T: Router> Fleet<R, W, T> {
    /// A fleet without machines, with this router, of which each service gets one of its own.
    pub fn routed(seed: u64, router: T) -> Self {
        Self { seed, router, stations: Vec::new(), services: Vec::new(), actors: Vec::new() }
    }

    /// Adds a machine that is away in these spans.
    pub fn add(&mut self, machine: Machine<R>, outages: Vec<Outage>) -> MachineId {
        let (counts, owners) = (Counts::default(), BTreeMap::new());
        self.stations.push(Station { machine, outages, counts, owners, event: None });
        MachineId(self.stations.len() - 1)
    }

    /// Serves a model on machines of this fleet.
    pub fn serve(&mut self, service: Service<W>, machines: &[MachineId]) -> ServiceId
    where
        T: Clone,
    {
        let number = self.services.len();
        let first = self.actors.len();
        for &MachineId(machine) in machines {
            let (server, sizes) = (Server::new(service.batching), BTreeMap::new());
            self.actors.push(Actor::new(machine, Role::Serve { service: number, server, sizes }));
        }
        let actors = (first..self.actors.len()).collect();
        let (router, records) = (self.router.clone(), Vec::new());
        self.services.push(Served { service, router, coming: None, offered: 0, actors, records });
        ServiceId(number)
    }

    /// Trains a model on a machine of this fleet.
    pub fn train(&mut self, training: Training, MachineId(machine): MachineId) -> TrainingId {
        self.actors.push(Actor::new(machine, Role::Train(Box::new(Trainee::new(training)))));
        TrainingId(self.actors.len() - 1)
    }

    /// A machine.
    pub fn machine(&self, MachineId(machine): MachineId) -> &Machine<R> {
        &self.stations[machine].machine
    }

    /// How the tasks of a machine left it so far.
    pub fn counts(&self, MachineId(machine): MachineId) -> Counts {
        self.stations[machine].counts
    }

    /// Requests for a service that have arrived.
    pub fn offered(&self, ServiceId(service): ServiceId) -> usize {
        self.services[service].offered
    }

    /// What became of the requests for a service that are through, in order of arrival.
    pub fn records(&self, ServiceId(service): ServiceId) -> Vec<Record> {
        let mut records = self.services[service].records.clone();
        records.sort_by_key(|(number, _)| *number);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// The steps of a training run, those included that were lost later; and which were lost.
    pub fn steps(&self, TrainingId(actor): TrainingId) -> (&[Record], &[Range<usize>]) {
        match &self.actors[actor].role {
            Role::Train(trainee) => (&trainee.records, &trainee.lost),
            Role::Serve { .. } => (&[], &[]),
        }
    }

    fn plan(agenda: &mut Plan, when: Nanos, event: FleetEvent) -> EventId {
        agenda.at(when, event.class(), event)
    }

    fn wake(&mut self, agenda: &mut Plan, actor: usize, when: Nanos) {
        let slot = &mut self.actors[actor].wake;
        if !slot.is_some_and(|id| agenda.reschedule(id, when)) {
            *slot = Some(Self::plan(agenda, when, FleetEvent::Wake(actor)));
        }
    }

    /// Plans when to look at a machine again.
    fn replan(&mut self, agenda: &mut Plan, machine: usize) {
        let station = &mut self.stations[machine];
        match (station.machine.next(), station.event) {
            (Some(next), Some(id)) if agenda.reschedule(id, next) => {}
            (Some(next), _) => station.event = Some(Self::plan(agenda, next, FleetEvent::Machine(machine))),
            (None, id) => {
                id.map(|id| agenda.cancel(id));
                station.event = None;
            }
        }
    }

    fn expect(&mut self, agenda: &mut Plan, service: usize) {
        let served = &mut self.services[service];
        served.coming = served.service.workload.next();
        if let Some(arrival) = served.coming {
            Self::plan(agenda, arrival.at, FleetEvent::Arrival(service));
        }
    }

    fn arrive(&mut self, agenda: &mut Plan, service: usize) {
        let now = agenda.now();
        let loads: Vec<Load> = self.services[service].actors.iter().map(|&actor| self.load(now, actor)).collect();
        let served = &mut self.services[service];
        let number = served.offered;
        served.offered += 1;
        let size = served.coming.map_or(1.0, |arrival| arrival.size);
        let request = Request { arrival: now, due: now + served.service.deadline_at(now) };
        let picked = served.router.route(&loads).min(loads.len().saturating_sub(1));
        if let Some(&actor) = served.actors.get(picked) {
            if let Role::Serve { server, sizes, .. } = &mut self.actors[actor].role {
                server.arrive(number, request);
                if size != 1.0 {
                    sizes.insert(number, size);
                }
            }
            self.wake(agenda, actor, now);
        }
        self.expect(agenda, service);
    }

    fn load(&self, now: Nanos, actor: usize) -> Load {
        let Actor { machine, role, .. } = &self.actors[actor];
        let machine = &self.stations[*machine].machine;
        let (waiting, running) = match role {
            Role::Serve { server, .. } => (server.waiting(), server.running().len()),
            Role::Train(_) => (0, 0),
        };
        Load { waiting, running, share: machine.share(now), away: machine.away() }
    }

    /// The turn of a model on its machine.
    fn turn(&mut self, agenda: &mut Plan, actor: usize, policy: &mut dyn Policy) {
        let machine = self.actors[actor].machine;
        self.actors[actor].wake = None;
        if self.actors[actor].task.is_some() || self.stations[machine].machine.away() {
            return;
        }
        let now = agenda.now();
        match self.next_task(now, actor, policy) {
            Next::Run(task) => self.begin(agenda, actor, task),
            Next::Wait(until) => self.wake(agenda, actor, until),
            Next::Nothing => {}
        }
    }

    fn next_task(&mut self, now: Nanos, actor: usize, policy: &mut dyn Policy) -> Next {
        match &mut self.actors[actor].role {
            Role::Serve { service, server, sizes } => {
                let Served { service, records, .. } = &mut self.services[*service];
                match server.turn(now, &service.ladder, policy, records) {
                    Turn::Run(_) => Next::Run(service.task(self.seed, server, sizes)),
                    Turn::Wait(until) => Next::Wait(until),
                    Turn::Idle => Next::Nothing,
                }
            }
            Role::Train(trainee) => trainee.next_task(self.seed, now, policy),
        }
    }

    fn begin(&mut self, agenda: &mut Plan, actor: usize, task: Task) {
        let (now, machine) = (agenda.now(), self.actors[actor].machine);
        let station = &mut self.stations[machine];
        match station.machine.begin(now, task) {
            Some(id) => {
                station.owners.insert(id, actor);
                self.actors[actor].task = Some(id);
            }
            None => {
                station.counts.killed += 1;
                self.killed(agenda, actor);
            }
        }
        self.replan(agenda, machine);
    }

    /// Takes all that has left a machine.
    fn settle(&mut self, agenda: &mut Plan, machine: usize) {
        let now = agenda.now();
        while let Some((task, left)) = self.stations[machine].machine.settle(now) {
            let Some(actor) = self.stations[machine].owners.remove(&task) else { continue };
            self.actors[actor].task = None;
            let counts = &mut self.stations[machine].counts;
            match left {
                Left::Done => {
                    counts.done += 1;
                    self.done(agenda, actor);
                }
                Left::Killed => {
                    counts.killed += 1;
                    self.killed(agenda, actor);
                }
            }
        }
        self.replan(agenda, machine);
    }

    fn done(&mut self, agenda: &mut Plan, actor: usize) {
        let now = agenda.now();
        match &mut self.actors[actor].role {
            Role::Serve { service, server, sizes } => {
                let Served { service, records, .. } = &mut self.services[*service];
                let outcomes = service.outcomes(self.seed, server);
                for (number, _) in server.running() {
                    sizes.remove(number);
                }
                server.done(now, &outcomes, records);
            }
            Role::Train(trainee) => trainee.done(now),
        }
        self.wake(agenda, actor, now);
    }

    fn killed(&mut self, agenda: &mut Plan, actor: usize) {
        match &mut self.actors[actor].role {
            Role::Serve { service, server, .. } => server.lost(&mut self.services[*service].records),
            Role::Train(trainee) => trainee.doing = Doing::Over,
        }
        self.wake(agenda, actor, agenda.now());
    }

    fn set_away(&mut self, agenda: &mut Plan, machine: usize, away: bool) {
        let now = agenda.now();
        let station = &mut self.stations[machine];
        station.counts.lost += station.machine.set_away(now, away).len();
        station.owners.clear();
        for actor in 0..self.actors.len() {
            if self.actors[actor].machine != machine {
                continue;
            }
            if away {
                self.actors[actor].interrupt();
            } else {
                self.wake(agenda, actor, now);
            }
        }
        self.replan(agenda, machine);
    }
}

impl<R: Resource, W: Workload, T: Router> Model for Fleet<R, W, T> {
    type Event = FleetEvent;

    fn start(&mut self, agenda: &mut Plan) {
        for (machine, station) in self.stations.iter().enumerate() {
            for outage in &station.outages {
                Self::plan(agenda, outage.from, FleetEvent::Away(machine));
                if outage.to < Nanos::MAX {
                    Self::plan(agenda, outage.to, FleetEvent::Back(machine));
                }
            }
            if let Some(end) = station.machine.processor().and_then(|processor| processor.trace().stops_at()) {
                Self::plan(agenda, end, FleetEvent::Stop);
            }
        }
        (0..self.services.len()).for_each(|service| self.expect(agenda, service));
        (0..self.actors.len()).for_each(|actor| self.wake(agenda, actor, Nanos::ZERO));
    }

    fn handle(&mut self, event: FleetEvent, agenda: &mut Plan, policies: &mut [&mut dyn Policy]) {
        match event {
            FleetEvent::Machine(machine) => self.settle(agenda, machine),
            FleetEvent::Away(machine) => self.set_away(agenda, machine, true),
            FleetEvent::Back(machine) => self.set_away(agenda, machine, false),
            FleetEvent::Arrival(service) => self.arrive(agenda, service),
            FleetEvent::Wake(actor) => match policies.get_mut(actor) {
                Some(policy) => self.turn(agenda, actor, *policy),
                None => self.turn(agenda, actor, &mut Hold::default()),
            },
            FleetEvent::Stop => agenda.stop(StopReason::TraceEnded),
        }
    }

    fn at_rest(&self) -> StopReason {
        if self.actors.iter().any(Actor::wants) { StopReason::Starved } else { StopReason::Finished }
    }
}
