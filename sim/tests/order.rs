//! Events leave in the order of a stable sort, of desque and of simcore, whatever is cancelled and moved.
use proptest::prelude::*;
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;
use supple_sim::{EventId, EventQueue};
use supple_strategy::Nanos;

/// A deed on a queue; numbers pick among what was planned.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Plan { when: u64, class: u8 },
    Cancel(usize),
    Move { which: usize, when: u64 },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        5 => (0..12u64, 0..3u8).prop_map(|(when, class)| Deed::Plan { when, class }),
        1 => any::<usize>().prop_map(Deed::Cancel),
        2 => (any::<usize>(), 0..12u64).prop_map(|(which, when)| Deed::Move { which, when }),
    ];
    prop::collection::vec(deed, 0..120)
}

/// The slow queue that is the definition: a list in order of entry, sorted stably.
#[derive(Default)]
struct Slow(Vec<(u64, u8, usize)>);

impl Slow {
    fn take(&mut self, number: usize) -> Option<(u64, u8, usize)> {
        let at = self.0.iter().position(|&(_, _, other)| other == number)?;
        Some(self.0.remove(at))
    }

    fn drain(mut self) -> Vec<(Nanos, usize)> {
        self.0.sort_by_key(|&(when, class, _)| (when, class));
        self.0.into_iter().map(|(when, _, number)| (Nanos(when), number)).collect()
    }
}

/// The same deeds on the queue and on the slow one; both answer alike.
fn perform(deeds: &[Deed]) -> Result<(EventQueue<usize>, Slow, Vec<EventId>), TestCaseError> {
    let (mut queue, mut slow, mut ids) = (EventQueue::default(), Slow::default(), Vec::new());
    for &deed in deeds {
        match deed {
            Deed::Plan { when, class } => {
                slow.0.push((when, class, ids.len()));
                ids.push(queue.push(Nanos(when), class, ids.len()));
            }
            Deed::Cancel(which) if !ids.is_empty() => {
                let number = which % ids.len();
                prop_assert_eq!(queue.cancel(ids[number]), slow.take(number).map(|(_, _, number)| number));
            }
            Deed::Move { which, when } if !ids.is_empty() => {
                let number = which % ids.len();
                let taken = slow.take(number);
                prop_assert_eq!(queue.reschedule(ids[number], Nanos(when)), taken.is_some());
                slow.0.extend(taken.map(|(_, class, number)| (when, class, number)));
            }
            _ => {}
        }
        prop_assert_eq!(queue.len(), slow.0.len());
    }
    Ok((queue, slow, ids))
}

fn drain<E>(queue: &mut EventQueue<E>) -> Vec<(Nanos, E)> {
    std::iter::from_fn(|| queue.pop()).collect()
}

proptest! {
    #[test]
    fn order_is_that_of_a_stable_sort(deeds in deeds()) {
        let (mut queue, slow, ids) = perform(&deeds)?;
        prop_assert_eq!(drain(&mut queue), slow.drain());
        prop_assert!(ids.iter().all(|&id| queue.cancel(id).is_none() && !queue.reschedule(id, Nanos::ZERO)));
    }

    #[test]
    fn a_queue_that_was_written_and_one_that_was_cloned_go_on_alike(deeds in deeds()) {
        let (mut queue, _, ids) = perform(&deeds)?;
        let text = serde_json::to_string(&queue).expect("json");
        let mut read: EventQueue<usize> = serde_json::from_str(&text).expect("a queue");
        let mut fork = queue.clone();
        for id in ids.iter().step_by(3) {
            let when = queue.when(*id);
            prop_assert_eq!((read.when(*id), fork.when(*id)), (when, when));
            prop_assert_eq!(read.cancel(*id), queue.cancel(*id));
            fork.cancel(*id);
        }
        let new = queue.push(Nanos(5), 1, usize::MAX);
        prop_assert_eq!((read.push(Nanos(5), 1, usize::MAX), fork.push(Nanos(5), 1, usize::MAX)), (new, new));
        prop_assert_eq!(serde_json::to_string(&read).expect("json"), serde_json::to_string(&fork).expect("json"));
        let left = drain(&mut queue);
        prop_assert_eq!(drain(&mut read), left.clone());
        prop_assert_eq!(drain(&mut fork), left);
    }

    #[test]
    fn order_is_that_of_desque_and_simcore(gaps in prop::collection::vec(prop::collection::vec(0..9u64, 0..4), 1..60)) {
        let ours = ours(&gaps);
        prop_assert_eq!(&desque_order::run(&gaps), &ours);
        prop_assert_eq!(&simcore_order::run(&gaps), &ours);
    }

    #[test]
    fn a_broken_snapshot_is_refused_or_harmless(text in "\\{\"heap\":\\{\"slots\":\\[(\\[[0-3],(null|\\[\\[[0-9],[0-9]\\],[0-9]\\])\\](,\\[1,null\\])?)?\\],\"free\":\\[([0-3](,[0-3])?)?\\]\\},\"entered\":[0-9]\\}") {
        if let Ok(mut queue) = serde_json::from_str::<EventQueue<usize>>(&text) {
            queue.push(Nanos(3), 0, 7);
            queue.push(Nanos(2), 0, 8);
            let times: Vec<_> = drain(&mut queue).into_iter().map(|(when, _)| when).collect();
            prop_assert!(times.is_sorted());
        }
    }
}

/// What happens: event `n` happens at a time and plans one event after each of `gaps[n]`; numbers are given in order of planning. At
/// time zero event 0 is planned.
type Happened = Vec<(u64, usize)>;

fn ours(gaps: &[Vec<u64>]) -> Happened {
    let (mut queue, mut planned, mut happened) = (EventQueue::default(), 1, Vec::new());
    queue.push(Nanos::ZERO, 0, 0);
    while let Some((now, number)) = queue.pop() {
        happened.push((now.0, number));
        for &gap in gaps.get(number).into_iter().flatten() {
            queue.push(now + Nanos(gap), 0, planned);
            planned += 1;
        }
    }
    happened
}

mod desque_order {
    use super::Happened;
    use desque::SimState;
    use desque::serial::{OkEvent, Simulation};

    struct State<'a> {
        gaps: &'a [Vec<u64>],
        planned: usize,
        happened: Happened,
    }

    impl SimState<u64> for State<'_> {}

    #[derive(Debug)]
    struct Event(usize);

    impl<'a> OkEvent<State<'a>, u64> for Event {
        fn execute(&mut self, simulation: &mut Simulation<State<'a>, u64>) {
            let now = *simulation.current_time();
            simulation.state_mut().happened.push((now, self.0));
            let gaps = simulation.state().gaps;
            for &gap in gaps.get(self.0).into_iter().flatten() {
                let number = simulation.state().planned;
                simulation.state_mut().planned += 1;
                simulation.schedule(Event(number), now + gap).expect("not in the past");
            }
        }
    }

    pub fn run(gaps: &[Vec<u64>]) -> Happened {
        let mut simulation = Simulation::new(State { gaps, planned: 1, happened: Vec::new() }, 0);
        simulation.schedule(Event(0), 0).expect("not in the past");
        simulation.run().expect("no event fails");
        std::mem::take(&mut simulation.state_mut().happened)
    }
}

mod simcore_order {
    use super::{Happened, Rc, RefCell, Serialize};
    use simcore::{Event, EventHandler, Simulation, SimulationContext};

    #[derive(Clone, Serialize)]
    struct Planned(usize);

    struct Node {
        gaps: Vec<Vec<u64>>,
        planned: usize,
        happened: Happened,
        context: SimulationContext,
    }

    impl EventHandler for Node {
        fn on(&mut self, event: Event) {
            let number = event.data.downcast::<Planned>().map(|planned| planned.0).unwrap_or(usize::MAX);
            self.happened.push((event.time as u64, number));
            for &gap in self.gaps.get(number).into_iter().flatten() {
                self.context.emit_self(Planned(self.planned), gap as f64);
                self.planned += 1;
            }
        }
    }

    pub fn run(gaps: &[Vec<u64>]) -> Happened {
        let mut simulation = Simulation::new(1);
        let context = simulation.create_context("node");
        let node = Node { gaps: gaps.to_vec(), planned: 1, happened: Vec::new(), context };
        let node = Rc::new(RefCell::new(node));
        simulation.add_handler("node", node.clone());
        node.borrow().context.emit_self(Planned(0), 0.0);
        simulation.step_until_no_events();
        std::mem::take(&mut node.borrow_mut().happened)
    }
}
