//! The cases on simcore.
use super::Spans;
use serde::Serialize;
use simcore::{Event, EventHandler, Simulation, SimulationContext};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Serialize)]
struct Timer(u32);

struct Node {
    spans: Spans,
    context: SimulationContext,
}

impl Node {
    fn plan(&mut self, timer: Timer) {
        let span = self.spans.next() as f64;
        self.context.emit_self(timer, span);
    }
}

impl EventHandler for Node {
    fn on(&mut self, event: Event) {
        if let Ok(timer) = event.data.downcast::<Timer>() {
            self.plan(*timer);
        }
    }
}

pub(super) fn hold(pending: usize) -> Box<dyn FnMut(u64) -> u64> {
    let mut simulation = Simulation::new(1);
    let context = simulation.create_context("node");
    let node = Rc::new(RefCell::new(Node { spans: Spans(1), context }));
    simulation.add_handler("node", node.clone());
    (0..pending as u32).for_each(|timer| node.borrow_mut().plan(Timer(timer)));
    Box::new(move |events| {
        simulation.steps(events);
        events
    })
}
