//! What asks a machine for work: a model that is served there, or one that is trained there.
use crate::chance::Chance;
use crate::event::EventId;
use crate::machine::{Task, TaskId};
use crate::resource::Work;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use supple_strategy::{Batching, Job, Ladder, Learner, Nanos, Outcome, Policy, Record, Rung, Server, Stint};

/// A model to be served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service<W> {
    /// Its name, which also names its random streams; empty when there is but one.
    pub name: String,
    /// What each setting costs and is worth.
    pub ladder: Ladder,
    /// When requests arrive.
    pub workload: W,
    /// Time from arrival to due.
    pub deadline: Nanos,
    /// Other such times that hold from these times on, ascending.
    pub deadlines: Vec<(Nanos, Nanos)>,
    /// How requests are put together.
    pub batching: Batching,
    /// Samples in a request, whatever its size.
    pub samples: u32,
    /// Bytes that a request of size one brings over the link.
    pub transferred: u64,
    /// Weight of its tasks, where shares are weighted.
    pub weight: u32,
}

impl<W> Service<W> {
    /// A service without a name, of one sample a request, one request at a time.
    pub fn new(ladder: Ladder, workload: W, deadline: Nanos) -> Self {
        let (name, deadlines, batching) = (String::new(), Vec::new(), Batching::default());
        Self { name, ladder, workload, deadline, deadlines, batching, samples: 1, transferred: 0, weight: 1 }
    }

    /// Time from arrival to due of a request that arrives now.
    pub(crate) fn deadline_at(&self, now: Nanos) -> Nanos {
        let last = self.deadlines.iter().rfind(|(from, _)| *from <= now);
        last.map_or(self.deadline, |(_, deadline)| *deadline)
    }
}

/// A model to be trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Its name, which also names its random streams; empty when there is but one.
    pub name: String,
    /// What a step costs in each setting.
    pub ladder: Ladder,
    /// Steps to make.
    pub steps: usize,
    /// When the run is due.
    pub deadline: Nanos,
    /// Steps between checkpoints; zero for none, so that a loss loses all.
    pub checkpoint_every: usize,
    /// Processor time of a checkpoint.
    pub checkpoint: Nanos,
    /// Processor time of going on from a checkpoint after a loss.
    pub restart: Nanos,
    /// Weight of its tasks, where shares are weighted.
    pub weight: u32,
}

impl Training {
    /// A run without a name and without checkpoints.
    pub fn new(ladder: Ladder, steps: usize, deadline: Nanos) -> Self {
        let (name, zero) = (String::new(), Nanos::ZERO);
        Self { name, ladder, steps, deadline, checkpoint_every: 0, checkpoint: zero, restart: zero, weight: 1 }
    }
}

/// One model on one machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Actor {
    pub machine: usize,
    pub role: Role,
    /// The task that runs.
    pub task: Option<TaskId>,
    /// The event at which it has its next turn.
    pub wake: Option<EventId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Serves the service with this number; sizes of requests that are not one.
    Serve { service: usize, server: Server, sizes: BTreeMap<usize, f64> },
    /// Trains.
    Train(Box<Trainee>),
}

/// A training run under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trainee {
    pub training: Training,
    pub learner: Learner,
    pub records: Vec<Record>,
    pub doing: Doing,
    /// Which records are of steps that were lost.
    pub lost: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Doing {
    Nothing,
    Step(usize),
    Save,
    /// After a loss, before the next step.
    Restart,
    /// It has ended.
    Over,
}

impl Actor {
    pub fn new(machine: usize, role: Role) -> Self {
        Self { machine, role, task: None, wake: None }
    }

    /// Whether it still wants something.
    pub fn wants(&self) -> bool {
        match &self.role {
            Role::Serve { server, .. } => server.waiting() + server.running().len() > 0,
            Role::Train(trainee) => trainee.doing != Doing::Over,
        }
    }
}

impl<W> Service<W> {
    /// What the requests that run ask of the machine: the first of them decides how long one takes.
    pub(crate) fn task(&self, seed: u64, server: &Server, sizes: &BTreeMap<usize, f64>) -> Task {
        let numbers = server.running().iter().map(|(number, _)| *number);
        let size: f64 = numbers.clone().map(|number| sizes.get(&number).copied().unwrap_or(1.0)).sum();
        let growth = server.batching().growth(size);
        let chance = Chance { seed, owner: &self.name };
        let first = Job::Request(numbers.min().unwrap_or(0));
        let time = chance.service(first, &self.ladder, server.rung());
        let transferred = (self.transferred as f64 * size).round() as u64;
        Task { transferred, ..task(time, growth, &self.ladder.rungs()[server.rung()], self.weight) }
    }

    /// What becomes of the requests that ran.
    pub(crate) fn outcomes(&self, seed: u64, server: &Server) -> Vec<Outcome> {
        let chance = Chance { seed, owner: &self.name };
        let outcome = |number| chance.answers(Job::Request(number), &self.ladder, server.rung(), self.samples);
        server.running().iter().map(|(number, _)| outcome(*number)).collect()
    }
}

impl Trainee {
    pub fn new(training: Training) -> Self {
        let learner = Learner::new(training.steps, training.deadline).with_checkpoints(training.checkpoint_every);
        Self { training, learner, records: Vec::new(), doing: Doing::Nothing, lost: Vec::new() }
    }

    pub fn step(&self, seed: u64, number: usize, rung: usize) -> Task {
        let chance = Chance { seed, owner: &self.training.name };
        let time = chance.service(Job::Step(number), &self.training.ladder, rung);
        task(time, 1.0, &self.training.ladder.rungs()[rung], self.training.weight)
    }

    /// What was done has ended.
    pub fn done(&mut self, now: Nanos) {
        match self.doing {
            Doing::Step(_) => self.records.push(self.learner.done(now, Outcome::default())),
            Doing::Save => self.learner.saved(),
            Doing::Nothing | Doing::Restart | Doing::Over => {}
        }
        self.doing = Doing::Nothing;
    }

    /// The machine went away.
    pub fn interrupt(&mut self) {
        if self.doing != Doing::Over {
            let made = self.records.len();
            self.lost.push(made - self.learner.interrupt()..made);
            self.doing = Doing::Restart;
        }
    }
}

/// What a model wants of its machine now.
pub(crate) enum Next {
    Run(Task),
    Wait(Nanos),
    Nothing,
}

impl Actor {
    pub fn interrupt(&mut self) {
        self.task = None;
        match &mut self.role {
            Role::Serve { server, .. } => server.interrupt(),
            Role::Train(trainee) => trainee.interrupt(),
        }
    }
}

impl Trainee {
    pub fn next_task(&mut self, seed: u64, now: Nanos, policy: &mut dyn Policy) -> Next {
        if self.doing == Doing::Over {
            return Next::Nothing;
        }
        if self.doing == Doing::Restart && self.training.restart > Nanos::ZERO {
            return Next::Run(Task::of(self.training.restart));
        }
        match self.learner.turn(now, &self.training.ladder, policy) {
            Stint::Step { number, rung } => {
                self.doing = Doing::Step(number);
                Next::Run(self.step(seed, number, rung))
            }
            Stint::Save => {
                self.doing = Doing::Save;
                Next::Run(Task::of(self.training.checkpoint))
            }
            Stint::Over => {
                self.doing = Doing::Over;
                Next::Nothing
            }
        }
    }
}

/// A piece of work of this time on this rung, `growth` times as much of everything that a piece uses up.
fn task(time: Nanos, growth: f64, rung: &Rung, weight: u32) -> Task {
    let times = |amount: f64| (amount * growth).round() as u64;
    let (moved, resident) = (times(rung.cost.moved), rung.cost.resident.round() as u64);
    let processor = Work { weight, ..Work::of(times(time.0 as f64)) };
    Task { processor, moved, transferred: 0, resident }
}
