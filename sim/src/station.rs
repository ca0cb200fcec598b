//! An open queueing station: what arrives goes straight to a resource.
use crate::event::EventId;
use crate::random::{Stream, exponential};
use crate::resource::{JobId, Resource, Work};
use crate::workload::Workload;
use crate::world::{Agenda, Model, StopReason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use supple_strategy::{Nanos, Policy};

/// How much work an arrival of size one is, in units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizes {
    /// Always so much.
    Fixed(u64),
    /// Exponential, of this mean.
    Exponential(f64, Box<Stream>),
}

impl Sizes {
    /// Exponential, of this mean.
    pub fn exponential(mean: f64, random: Stream) -> Self {
        Self::Exponential(mean, Box::new(random))
    }

    fn draw(&mut self, size: f64) -> u64 {
        let units = match self {
            Self::Fixed(units) => *units as f64,
            Self::Exponential(mean, random) => *mean * exponential(random),
        };
        (units * size).round() as u64
    }
}

/// A workload before a resource, without any policy: the systems of queueing theory. It keeps sums and no records, so that a long run
/// takes no more memory than a short one.
///
/// ```
/// use supple_sim::{Capacity, Limits, Sizes, Station, StopReason, World, resources::Fifo, workloads::Periodic};
/// use supple_strategy::Nanos;
///
/// let arrivals = Periodic::new(10.0, Nanos::from_seconds(1.0));
/// let station = Station::new(Fifo::new(Capacity::WHOLE, 1), arrivals, Sizes::Fixed(25_000_000));
/// let mut world = World::new(station);
/// assert_eq!(world.run(&mut [], Limits::GENEROUS), StopReason::Finished);
/// assert_eq!((world.model().ended(), world.model().mean_response_s()), (10, 0.025));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Station<R, W> {
    resource: R,
    workload: W,
    sizes: Sizes,
    /// When the jobs that are there arrived.
    arrived: BTreeMap<JobId, Nanos>,
    next: Option<EventId>,
    coming: f64,
    ended: u64,
    /// Sum of the times from arrival to end, in nanoseconds.
    response: u128,
}

/// What can happen at a station; at equal times in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StationEvent {
    /// The resource has something to say.
    Resource,
    /// Something arrives.
    Arrival,
}

impl<R: Resource, W: Workload> Station<R, W> {
    /// A station without jobs.
    pub fn new(resource: R, workload: W, sizes: Sizes) -> Self {
        let arrived = BTreeMap::new();
        Self { resource, workload, sizes, arrived, next: None, coming: 0.0, ended: 0, response: 0 }
    }

    /// The resource.
    pub fn resource(&self) -> &R {
        &self.resource
    }

    /// Jobs that have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Mean time from arrival to end of the jobs that have ended, in seconds; zero when none has.
    pub fn mean_response_s(&self) -> f64 {
        self.response as f64 / 1e9 / (self.ended.max(1)) as f64
    }

    fn expect(&mut self, agenda: &mut Agenda<StationEvent>) {
        if let Some(arrival) = self.workload.next() {
            self.coming = arrival.size;
            agenda.at(arrival.at, 1, StationEvent::Arrival);
        }
    }

    fn plan(&mut self, agenda: &mut Agenda<StationEvent>) {
        match (self.resource.next(), self.next) {
            (Some(when), Some(id)) if agenda.reschedule(id, when) => {}
            (Some(when), _) => self.next = Some(agenda.at(when, 0, StationEvent::Resource)),
            (None, id) => {
                id.map(|id| agenda.cancel(id));
                self.next = None;
            }
        }
    }

    fn take(&mut self, now: Nanos) {
        while let Some(job) = self.resource.done(now) {
            if let Some(arrived) = self.arrived.remove(&job) {
                self.ended += 1;
                self.response += u128::from((now - arrived).0);
            }
        }
    }
}

impl<R: Resource, W: Workload> Model for Station<R, W> {
    type Event = StationEvent;

    fn start(&mut self, agenda: &mut Agenda<StationEvent>) {
        self.expect(agenda);
    }

    fn handle(&mut self, event: StationEvent, agenda: &mut Agenda<StationEvent>, _: &mut [&mut dyn Policy]) {
        let now = agenda.now();
        match event {
            StationEvent::Resource => self.take(now),
            StationEvent::Arrival => {
                let units = self.sizes.draw(self.coming);
                let job = self.resource.begin(now, Work::of(units));
                self.arrived.insert(job, now);
                self.expect(agenda);
            }
        }
        self.plan(agenda);
    }

    fn at_rest(&self) -> StopReason {
        if self.arrived.is_empty() { StopReason::Finished } else { StopReason::Starved }
    }
}
