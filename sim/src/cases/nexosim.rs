//! The cases on nexosim.
use super::Spans;
use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static HAPPENED: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize, Deserialize)]
struct Timers {
    pending: u32,
    spans: Spans,
}

#[Model]
impl Timers {
    fn plan(&mut self, timer: u32, context: &Context<Self>) {
        let span = Duration::from_nanos(self.spans.next());
        let planned = context.schedule_event(span, schedulable!(Self::ring), timer);
        debug_assert!(planned.is_ok());
    }

    #[nexosim(schedulable)]
    async fn ring(&mut self, timer: u32, context: &Context<Self>) {
        HAPPENED.fetch_add(1, Ordering::Relaxed);
        self.plan(timer, context);
    }

    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        (0..self.pending).for_each(|timer| self.plan(timer, context));
    }
}

pub(super) fn hold(pending: usize) -> Box<dyn FnMut(u64) -> u64> {
    let timers = Timers { pending: pending as u32, spans: Spans(1) };
    let bench = SimInit::with_num_threads(1).add_model(timers, Mailbox::new(), "timers");
    let mut simulation = bench.init(MonotonicTime::EPOCH).ok();
    Box::new(move |events| {
        let before = HAPPENED.load(Ordering::Relaxed);
        while HAPPENED.load(Ordering::Relaxed) - before < events {
            if simulation.as_mut().is_none_or(|simulation| simulation.step().is_err()) {
                break;
            }
        }
        HAPPENED.load(Ordering::Relaxed) - before
    })
}
