//! The loops that let a policy drive a plant. Live and simulated runs share them.
use crate::ladder::Ladder;
use crate::learner::{Learner, Stint};
use crate::plant::{Job, Outcome, Plant};
use crate::policy::Policy;
use crate::server::{Batching, Server, Turn};
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
    serve_batched(plant, requests, Batching::default(), ladder, policy)
}

/// [`serve`] with requests put together into batches.
///
/// # Errors
/// The plant's.
pub fn serve_batched<P: Plant>(
    plant: &mut P,
    requests: &[Request],
    batching: Batching,
    ladder: &Ladder,
    policy: &mut dyn Policy,
) -> Result<Vec<Record>, P::Error> {
    let mut server = Server::new(batching);
    let mut records = Vec::with_capacity(requests.len());
    let mut coming = requests.iter().copied().enumerate().peekable();
    plant.apply(&ladder.rungs()[0].setting)?;
    loop {
        plant.between()?;
        let now = plant.now();
        while let Some((number, request)) = coming.next_if(|(_, request)| request.arrival <= now) {
            server.arrive(number, request);
        }
        if plant.stopped() {
            break;
        }
        let set = server.rung();
        let next = coming.peek().map(|(_, request)| request.arrival);
        match server.turn(now, ladder, policy, &mut records) {
            Turn::Run(rung) => {
                if rung != set {
                    plant.apply(&ladder.rungs()[rung].setting)?;
                }
                let jobs: Vec<Job> = server.running().iter().map(|&(number, _)| Job::Request(number)).collect();
                let outcomes = plant.run_batch(&jobs)?;
                server.done(plant.now(), &outcomes, &mut records);
            }
            Turn::Wait(until) => plant.wait(next.map_or(until, |next| next.min(until)))?,
            Turn::Idle => match next {
                Some(next) => plant.wait(next)?,
                None => break,
            },
        }
    }
    records.sort_unstable_by_key(|(number, _)| *number);
    Ok(records.into_iter().map(|(_, record)| record).collect())
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
    let mut records = Vec::new();
    let mut learner = Learner::new(steps, deadline);
    plant.apply(&ladder.rungs()[0].setting)?;
    while !plant.stopped() {
        plant.between()?;
        let set = learner.rung();
        match learner.turn(plant.now(), ladder, policy) {
            Stint::Step { number, rung } => {
                if rung != set {
                    plant.apply(&ladder.rungs()[rung].setting)?;
                }
                let outcome = plant.run(Job::Step(number))?;
                records.push(learner.done(plant.now(), outcome));
            }
            Stint::Save => learner.saved(),
            Stint::Over => break,
        }
    }
    Ok(records)
}
