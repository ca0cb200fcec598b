//! A machine: resources that a task uses together.
use crate::resource::{JobId, Resource, Work};
use crate::space::{Cache, Memory};
use crate::supply::Supply;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use supple_strategy::Nanos;

/// What a task asks of a machine: first bytes over the link, then processor time and bytes of memory traffic at once, so that the
/// slower of the two decides (the roofline of Williams, Waterman and Patterson, 2009). What the machine does not model takes no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Processor time at full share, in nanoseconds, with its weight and cap.
    pub processor: Work,
    /// Bytes between processor and memory, as long as the cache holds what it can.
    pub moved: u64,
    /// Bytes over the link before the work begins.
    pub transferred: u64,
    /// Bytes held from begin to end.
    pub resident: u64,
}

impl Task {
    /// Processor time alone.
    pub fn of(time: Nanos) -> Self {
        Self { processor: Work::of(time.0), moved: 0, transferred: 0, resident: 0 }
    }
}

/// A task on a machine. A machine never gives the same one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(u64);

/// How a task left a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Left {
    /// It is done.
    Done,
    /// Memory ran out.
    Killed,
}

/// A machine. Without bandwidth, link, memory and cache it is a processor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine<R> {
    /// Processor, bandwidth between processor and memory, link to the world.
    flows: [Option<Supply<R>>; 3],
    memory: Option<Memory>,
    cache: Option<Cache>,
    away: bool,
    held: u64,
    most_held: u64,
    begun: u64,
    now: Nanos,
    /// Tasks that wait for nothing any more.
    ready: VecDeque<TaskId>,
    tasks: BTreeMap<TaskId, Progress>,
    /// Of each flow, whose its jobs are.
    jobs: [BTreeMap<JobId, TaskId>; 3],
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    task: Task,
    /// Flows that it still waits for, with its jobs there.
    open: Vec<(usize, JobId)>,
    transferring: bool,
}

const PROCESSOR: usize = 0;
const BANDWIDTH: usize = 1;
const LINK: usize = 2;

impl<R: Resource> Machine<R> {
    /// A machine of a processor alone.
    pub fn new(processor: Supply<R>) -> Self {
        Self {
            flows: [Some(processor), None, None],
            memory: None,
            cache: None,
            away: false,
            held: 0,
            most_held: 0,
            begun: 0,
            now: Nanos::ZERO,
            ready: VecDeque::new(),
            tasks: BTreeMap::new(),
            jobs: Default::default(),
        }
    }

    /// The same with a bandwidth between processor and memory, in bytes.
    #[must_use]
    pub fn with_bandwidth(mut self, bandwidth: Supply<R>) -> Self {
        self.flows[BANDWIDTH] = Some(bandwidth);
        self
    }

    /// The same with a link to the world, in bytes.
    #[must_use]
    pub fn with_link(mut self, link: Supply<R>) -> Self {
        self.flows[LINK] = Some(link);
        self
    }

    /// The same with memory.
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// The same with a cache.
    #[must_use]
    pub fn with_cache(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// Its processor.
    pub fn processor(&self) -> Option<&Supply<R>> {
        self.flows[PROCESSOR].as_ref()
    }

    /// Its bandwidth between processor and memory, where it is modelled.
    pub fn bandwidth(&self) -> Option<&Supply<R>> {
        self.flows[BANDWIDTH].as_ref()
    }

    /// Its link to the world, where it is modelled.
    pub fn link(&self) -> Option<&Supply<R>> {
        self.flows[LINK].as_ref()
    }

    /// Tasks that have begun and not left.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Bytes held.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Most bytes held so far.
    pub fn most_held(&self) -> u64 {
        self.most_held
    }

    /// Whether it is away.
    pub fn away(&self) -> bool {
        self.away
    }

    /// The share of the processor that the trace gives.
    pub fn share(&self, now: Nanos) -> f64 {
        self.flows[PROCESSOR].as_ref().map_or(0.0, |processor| processor.trace().at(now))
    }

    /// A task begins; `None` when there is no memory for it.
    pub fn begin(&mut self, now: Nanos, task: Task) -> Option<TaskId> {
        let held = self.held.saturating_add(task.resident);
        if self.memory.as_ref().is_some_and(|memory| held > memory.limit(now)) {
            return None;
        }
        self.now = self.now.max(now);
        let id = TaskId(self.begun);
        self.begun += 1;
        self.hold(now, held);
        self.tasks.insert(id, Progress { task, open: Vec::new(), transferring: true });
        self.open(now, id, LINK, Work::of(task.transferred));
        self.go_on(now, id);
        Some(id)
    }

    /// When [`settle`](Self::settle) is to be asked next, if nothing changes before; `None` when never.
    pub fn next(&self) -> Option<Nanos> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        let flows = self.flows.iter().flatten().filter_map(Supply::next).min()?;
        let memory = self.memory.as_ref().filter(|_| self.held > 0);
        Some(memory.and_then(|memory| memory.trace.next_change(self.now)).map_or(flows, |change| change.min(flows)))
    }

    /// A task that left by `now`, and how.
    pub fn settle(&mut self, now: Nanos) -> Option<(TaskId, Left)> {
        self.now = self.now.max(now);
        loop {
            if let Some(id) = self.ready.pop_front() {
                self.leave(now, id);
                return Some((id, Left::Done));
            }
            if let Some(id) = self.overcommitted(now) {
                self.leave(now, id);
                return Some((id, Left::Killed));
            }
            let Some((flow, job)) = self.ended(now) else {
                self.hold(now, self.held);
                return None;
            };
            let Some(id) = self.jobs[flow].remove(&job) else { continue };
            if let Some(progress) = self.tasks.get_mut(&id) {
                progress.open.retain(|open| *open != (flow, job));
            }
            self.go_on(now, id);
        }
    }

    /// The machine goes away, with all that ran on it, or comes back; the tasks that are lost.
    pub fn set_away(&mut self, now: Nanos, away: bool) -> Vec<TaskId> {
        self.away = away;
        let lost: Vec<TaskId> = if away { self.tasks.keys().copied().collect() } else { Vec::new() };
        lost.iter().for_each(|&id| self.leave(now, id));
        self.ready.clear();
        lost
    }

    fn open(&mut self, now: Nanos, id: TaskId, flow: usize, work: Work) {
        let (Some(supply), Some(progress)) = (&mut self.flows[flow], self.tasks.get_mut(&id)) else { return };
        if work.units > 0 {
            let job = supply.begin(now, work);
            progress.open.push((flow, job));
            self.jobs[flow].insert(job, id);
        }
    }

    /// After the transfer the work begins, and after the work the task is ready to leave.
    fn go_on(&mut self, now: Nanos, id: TaskId) {
        let Some(progress) = self.tasks.get_mut(&id).filter(|progress| progress.open.is_empty()) else { return };
        if !std::mem::take(&mut progress.transferring) {
            return self.ready.push_back(id);
        }
        let task = progress.task;
        let traffic = self.cache.as_ref().map_or(1.0, |cache| cache.traffic(now, self.held));
        self.open(now, id, PROCESSOR, task.processor);
        self.open(now, id, BANDWIDTH, Work::of((task.moved as f64 * traffic).round() as u64));
        self.go_on(now, id);
    }

    fn leave(&mut self, now: Nanos, id: TaskId) {
        let Some(progress) = self.tasks.remove(&id) else { return };
        for (flow, job) in progress.open {
            self.jobs[flow].remove(&job);
            if let Some(supply) = &mut self.flows[flow] {
                supply.withdraw(now, job);
            }
        }
        self.hold(now, self.held.saturating_sub(progress.task.resident));
    }

    fn hold(&mut self, now: Nanos, held: u64) {
        self.held = held;
        self.most_held = self.most_held.max(held);
        if let (Some(memory), Some(processor)) = (&self.memory, &mut self.flows[PROCESSOR]) {
            processor.slow(now, memory.speed(now, held));
        }
    }

    /// The task that began last, when more is held than there is.
    fn overcommitted(&mut self, now: Nanos) -> Option<TaskId> {
        let over = self.memory.as_ref().is_some_and(|memory| self.held > memory.limit(now));
        if over { self.tasks.iter().rfind(|(_, progress)| progress.task.resident > 0).map(|(id, _)| *id) } else { None }
    }

    fn ended(&mut self, now: Nanos) -> Option<(usize, JobId)> {
        let mut flows = self.flows.iter_mut().enumerate();
        flows.find_map(|(i, flow)| flow.as_mut()?.done(now).map(|job| (i, job)))
    }
}
