//! What chance decides about a job: how long it takes, and how many of its answers are right.
use crate::random::{Stream, stream};
use rand::RngExt;
use supple_strategy::{Job, Ladder, Nanos, Outcome};

/// The chances of the jobs of one owner in a run: they depend on nothing but seed, owner, job and rung, and use the same uniform
/// numbers on every rung. Policies therefore meet the same randomness, and a cheaper rung is never slower for want of luck.
#[derive(Clone, Copy, Debug)]
pub struct Chance<'a> {
    /// Seed of the run.
    pub seed: u64,
    /// Whose jobs they are; empty when all are of one.
    pub owner: &'a str,
}

impl Chance<'_> {
    /// Processor time at full share that a job takes on a rung (the cheapest, if there are not so many), drawn from its measured times.
    pub fn service(&self, job: Job, ladder: &Ladder, rung: usize) -> Nanos {
        let q = self.stream(job, "service").random::<f64>();
        Nanos::from_seconds(ladder.rungs()[rung.min(ladder.last())].service.quantile(q))
    }

    /// Right answers of a job about `samples` samples on a rung, from Binomial(samples, measured quality).
    pub fn answers(&self, job: Job, ladder: &Ladder, rung: usize, samples: u32) -> Outcome {
        let quality = ladder.rungs()[rung.min(ladder.last())].quality;
        let mut random = self.stream(job, "answers");
        let right = (0..samples).filter(|_| random.random::<f64>() < quality).count();
        Outcome { right: right as u32, of: samples }
    }

    fn stream(&self, job: Job, purpose: &str) -> Stream {
        let gap = if self.owner.is_empty() { "" } else { " " };
        let (what, number) = match job {
            Job::Request(number) => ("request", number),
            Job::Step(number) => ("step", number),
        };
        stream(self.seed, format_args!("{}{gap}{what} {number}", self.owner), purpose)
    }
}
