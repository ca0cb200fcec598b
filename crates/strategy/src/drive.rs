//! The loops that let a policy drive a plant. Live and simulated runs share them.
use crate::ladder::Ladder;
use crate::learner::{Learner, Stint};
use crate::plant::{Job, Plant};
use crate::policy::Policy;
use crate::request::{Record, Request};
use crate::server::{Batching, Server, Turn};
use crate::time::Nanos;

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
