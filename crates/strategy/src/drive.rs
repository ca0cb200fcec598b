//! The loops that let a policy drive a plant. Live and simulated runs share them.
use crate::ladder::Ladder;
use crate::plant::{Job, Outcome, Plant};
use crate::policy::{Completion, Observation, Policy};
use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// A request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When it arrives.
    pub arrival: Nanos,
    /// When its answer is due.
    pub due: Nanos,
}

/// What became of one piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it arrived.
    pub arrival: Nanos,
    /// When it was due.
    pub due: Nanos,
    /// When work on it began; when it was dropped, for a dropped one.
    pub started: Nanos,
    /// When it ended; `None` for a request that was dropped because it was already past due.
    pub finished: Option<Nanos>,
    /// The rung it ran on, or, for a dropped one, the rung that was set.
    pub rung: usize,
    /// Right answers among its answers.
    pub outcome: Outcome,
}

impl Record {
    /// Whether no answer came in time.
    pub fn missed(&self) -> bool {
        self.finished.is_none_or(|end| end > self.due)
    }
}

/// Serves `requests` (ascending by arrival) first come, first served, one at a time, on the rung that `policy` picks for each.
/// A request already past due when its turn comes is dropped. One record a request, in order; fewer if the plant was stopped.
///
/// # Errors
/// The plant's.
pub fn serve<P: Plant>(
    plant: &mut P,
    requests: &[Request],
    ladder: &Ladder,
    policy: &mut dyn Policy,
) -> Result<Vec<Record>, P::Error> {
    let mut records = Vec::with_capacity(requests.len());
    let mut rung = 0;
    let mut finished = None;
    plant.apply(&ladder.rungs()[rung].setting)?;
    for (i, request) in requests.iter().enumerate() {
        plant.wait(request.arrival)?;
        if plant.stopped() {
            break;
        }
        let started = plant.now();
        let mut record = Record {
            arrival: request.arrival,
            due: request.due,
            started,
            finished: None,
            rung,
            outcome: Outcome::default(),
        };
        if started < request.due {
            let waiting = requests[i + 1..].partition_point(|r| r.arrival <= started);
            let seen = Observation {
                now: started,
                remaining: request.due - started,
                queued: waiting,
                remaining_of_last: requests[i + waiting].due - started,
                finished: finished.take(),
            };
            let next = policy.decide(&seen, ladder).rung.min(ladder.last());
            if next != rung {
                plant.apply(&ladder.rungs()[next].setting)?;
                rung = next;
            }
            record.rung = rung;
            record.outcome = plant.run(Job::Request(i))?;
            let end = plant.now();
            record.finished = Some(end);
            finished = Some(Completion { rung, took: end - started });
        }
        records.push(record);
    }
    Ok(records)
}

/// Runs up to `steps` training steps until `deadline`, each on the rung that `policy` picks; the time left for a step is an equal part
/// of the time left. One record a step begun before the deadline.
///
/// # Errors
/// The plant's.
pub fn train<P: Plant>(
    plant: &mut P,
    steps: usize,
    deadline: Nanos,
    ladder: &Ladder,
    policy: &mut dyn Policy,
) -> Result<Vec<Record>, P::Error> {
    let mut records = Vec::with_capacity(steps);
    let mut rung = 0;
    let mut finished = None;
    plant.apply(&ladder.rungs()[rung].setting)?;
    for step in 0..steps {
        let started = plant.now();
        if started >= deadline || plant.stopped() {
            break;
        }
        let left = steps - step;
        let remaining = Nanos((deadline - started).0 / left as u64);
        let seen =
            Observation { now: started, remaining, queued: 0, remaining_of_last: remaining, finished: finished.take() };
        let next = policy.decide(&seen, ladder).rung.min(ladder.last());
        if next != rung {
            plant.apply(&ladder.rungs()[next].setting)?;
            rung = next;
        }
        let outcome = plant.run(Job::Step(step))?;
        let end = plant.now();
        finished = Some(Completion { rung, took: end - started });
        records.push(Record { arrival: started, due: deadline, started, finished: Some(end), rung, outcome });
    }
    Ok(records)
}
