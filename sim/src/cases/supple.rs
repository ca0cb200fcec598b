//! The cases on our own engine.
use super::Spans;
use crate::event::EventId;
use crate::resource::{Capacity, Resource, Work};
use crate::resources::Shared;
use crate::world::{Agenda, Limits, Model, World};
use supple_strategy::{Nanos, Policy};

fn play<M: Model + 'static>(model: M) -> Box<dyn FnMut(u64) -> u64> {
    let mut world = World::new(model);
    Box::new(move |events| {
        let before = world.happened();
        world.run(&mut [], Limits { until: Nanos::MAX, events });
        world.happened() - before
    })
}

struct Hold {
    pending: usize,
    spans: Spans,
}

impl Model for Hold {
    type Event = u32;

    fn start(&mut self, agenda: &mut Agenda<u32>) {
        for timer in 0..self.pending as u32 {
            agenda.after(Nanos(self.spans.next()), 0, timer);
        }
    }

    fn handle(&mut self, timer: u32, agenda: &mut Agenda<u32>, _: &mut [&mut dyn Policy]) {
        agenda.after(Nanos(self.spans.next()), 0, timer);
    }
}

pub(super) fn hold(pending: usize) -> Box<dyn FnMut(u64) -> u64> {
    play(Hold { pending, spans: Spans(1) })
}

struct Sharing {
    pending: usize,
    spans: Spans,
    resource: Shared,
    ended: u64,
    end: Option<EventId>,
}

enum Event {
    End,
    Change,
}

impl Sharing {
    fn plan(&mut self, agenda: &mut Agenda<Event>) {
        let when = self.resource.next().unwrap_or(Nanos::MAX);
        match self.end {
            Some(end) if agenda.reschedule(end, when) => {}
            _ => self.end = Some(agenda.at(when, 0, Event::End)),
        }
    }

    fn begin(&mut self, now: Nanos) {
        self.resource.begin(now, Work::of(self.spans.next()));
    }
}

impl Model for Sharing {
    type Event = Event;

    fn start(&mut self, agenda: &mut Agenda<Event>) {
        (0..self.pending).for_each(|_| self.begin(Nanos::ZERO));
        self.plan(agenda);
    }

    fn handle(&mut self, event: Event, agenda: &mut Agenda<Event>, _: &mut [&mut dyn Policy]) {
        let now = agenda.now();
        match event {
            Event::Change => {
                let part = 0.5 + 0.5 * (self.spans.next() % 2) as f64;
                self.resource.set_capacity(now, Capacity::WHOLE.times(part));
            }
            Event::End => {
                self.end = None;
                if self.resource.done(now).is_some() {
                    self.ended += 1;
                    self.begin(now);
                }
                if self.ended.is_multiple_of(2) {
                    agenda.after(Nanos(1), 1, Event::Change);
                }
            }
        }
        self.plan(agenda);
    }
}

pub(super) fn sharing(pending: usize) -> Box<dyn FnMut(u64) -> u64> {
    play(Sharing { pending, spans: Spans(1), resource: Shared::new(Capacity::WHOLE), ended: 0, end: None })
}
