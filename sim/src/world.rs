//! The contract of what is simulated: a model, whose events a world plays in order.
use crate::event::{EventId, EventQueue};
use serde::{Deserialize, Serialize};
use supple_strategy::{Nanos, Policy};

/// What is simulated: a state, and what each event does to it. All that the future depends on is in the model, the events that wait
/// and the policies; so a [`World`] can be cloned, and written and read back, whenever its model can.
pub trait Model {
    /// What can happen.
    type Event;

    /// Plans the first events.
    fn start(&mut self, agenda: &mut Agenda<Self::Event>);

    /// Lets an event happen, now. The policies are not part of the world: whoever runs it lends them.
    fn handle(&mut self, event: Self::Event, agenda: &mut Agenda<Self::Event>, policies: &mut [&mut dyn Policy]);

    /// Why the world stands still when no event waits any more.
    fn at_rest(&self) -> StopReason {
        StopReason::Finished
    }
}

/// Why a simulated run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// All work is done.
    Finished,
    /// The trace is over, and says that the run then stops.
    TraceEnded,
    /// There is work, and nothing that it needs will ever come again.
    Starved,
    /// The time that was allowed is over.
    OutOfTime,
    /// As many events as were allowed have happened.
    OutOfEvents,
}

impl StopReason {
    /// Its name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::TraceEnded => "trace_ended",
            Self::Starved => "starved",
            Self::OutOfTime => "out_of_time",
            Self::OutOfEvents => "out_of_events",
        }
    }
}

/// How far a world may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Events later than this do not happen.
    pub until: Nanos,
    /// Most events; more stop the run, so that nothing runs for ever.
    pub events: u64,
}

impl Limits {
    /// No limit of time, and a thousand million events.
    pub const GENEROUS: Self = Self { until: Nanos::MAX, events: 1_000_000_000 };

    /// Up to this time.
    pub fn until(until: Nanos) -> Self {
        Self { until, ..Self::GENEROUS }
    }
}

/// What a model plans: events at times, from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Clone + Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct Agenda<E> {
    now: Nanos,
    queue: EventQueue<E>,
    stop: Option<StopReason>,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { now: Nanos::ZERO, queue: EventQueue::default(), stop: None }
    }
}

impl<E> Agenda<E> {
    /// Virtual time since the start of the run.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Lets `event` happen at `when`, but not before now. At equal times the lower class comes first, then who entered first.
    pub fn at(&mut self, when: Nanos, class: u8, event: E) -> EventId {
        self.queue.push(when.max(self.now), class, event)
    }

    /// Lets `event` happen after a span.
    pub fn after(&mut self, span: Nanos, class: u8, event: E) -> EventId {
        self.queue.push(self.now + span, class, event)
    }

    /// Takes an event back; `None` when it has happened.
    pub fn cancel(&mut self, id: EventId) -> Option<E> {
        self.queue.cancel(id)
    }

    /// Moves an event, as if it had just been planned; whether it was still to come.
    pub fn reschedule(&mut self, id: EventId, when: Nanos) -> bool {
        self.queue.reschedule(id, when.max(self.now))
    }

    /// When an event will happen; `None` when it has.
    pub fn when(&self, id: EventId) -> Option<Nanos> {
        self.queue.when(id)
    }

    /// Ends the run after this event.
    pub fn stop(&mut self, reason: StopReason) {
        self.stop = Some(reason);
    }
}

/// A model with its time and its events. A clone is a fork: both go on alike under the same policies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "M: Serialize, M::Event: Clone + Serialize",
    deserialize = "M: Deserialize<'de>, M::Event: Deserialize<'de>"
))]
pub struct World<M: Model> {
    agenda: Agenda<M::Event>,
    model: M,
    happened: u64,
}

impl<M: Model> World<M> {
    /// A world at time zero.
    pub fn new(mut model: M) -> Self {
        let mut agenda = Agenda::default();
        model.start(&mut agenda);
        Self { agenda, model, happened: 0 }
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Nanos {
        self.agenda.now
    }

    /// Events that have happened.
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// The state.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The state, to be changed from outside; events that wait stay as they are.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The state, when nothing is to follow.
    pub fn into_model(self) -> M {
        self.model
    }

    /// When the next event happens.
    pub fn next_time(&self) -> Option<Nanos> {
        self.agenda.queue.next_time()
    }

    /// Lets the next event happen, and says when; `None` when none waits.
    pub fn step(&mut self, policies: &mut [&mut dyn Policy]) -> Option<Nanos> {
        let (when, event) = self.agenda.queue.pop()?;
        self.agenda.now = when;
        self.happened += 1;
        self.model.handle(event, &mut self.agenda, policies);
        Some(when)
    }

    /// Lets events happen until the model ends the run, nothing is left, or a limit is reached; `limits.events` counts from here. A
    /// world that reached a limit can be run on.
    pub fn run(&mut self, policies: &mut [&mut dyn Policy], limits: Limits) -> StopReason {
        let last = self.happened.saturating_add(limits.events);
        loop {
            if let Some(reason) = self.agenda.stop {
                return reason;
            }
            match self.next_time() {
                None => return self.model.at_rest(),
                Some(next) if next > limits.until => {
                    self.agenda.now = self.agenda.now.max(limits.until);
                    return StopReason::OutOfTime;
                }
                Some(_) if self.happened >= last => return StopReason::OutOfEvents,
                Some(_) => self.step(policies),
            };
        }
    }
}
