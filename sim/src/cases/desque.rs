//! The cases on desque.
use super::Spans;
use desque::SimState;
use desque::serial::{OkEvent, Simulation};

struct State {
    spans: Spans,
    happened: u64,
    until: u64,
}

impl SimState<u64> for State {
    fn is_complete(&self, _: &u64) -> bool {
        self.happened >= self.until
    }
}

#[derive(Debug)]
struct Timer(u32);

impl OkEvent<State, u64> for Timer {
    fn execute(&mut self, simulation: &mut Simulation<State, u64>) {
        let state = simulation.state_mut();
        state.happened += 1;
        let span = state.spans.next();
        let planned = simulation.schedule_with_delay(Self(self.0), span);
        debug_assert!(planned.is_ok());
    }
}

pub(super) fn hold(pending: usize) -> Box<dyn FnMut(u64) -> u64> {
    let mut simulation = Simulation::new(State { spans: Spans(1), happened: 0, until: 0 }, 0);
    for timer in 0..pending as u32 {
        let span = simulation.state_mut().spans.next();
        let planned = simulation.schedule(Timer(timer), span);
        debug_assert!(planned.is_ok());
    }
    Box::new(move |events| {
        let before = simulation.state().happened;
        simulation.state_mut().until = before + events;
        let ran = simulation.run();
        debug_assert!(ran.is_ok());
        simulation.state().happened - before
    })
}
