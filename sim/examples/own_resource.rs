//! A resource of one's own, in one file: as many servers as there are jobs, so that nobody waits and nobody is slowed down. The mean
//! response is then the mean size, whatever the load (M/M/infinity).
use std::collections::BTreeSet;
use supple_sim::random::stream;
use supple_sim::resource::Account;
use supple_sim::workloads::Poisson;
use supple_sim::{Capacity, JobId, Limits, Resource, Sizes, Station, Work, World};
use supple_strategy::Nanos;

/// Every job takes as many nanoseconds as it asks units, at whatever capacity.
#[derive(Clone, Debug, Default)]
struct Delay {
    jobs: BTreeSet<(Nanos, JobId)>,
    begun: u64,
    account: Account,
}

impl Resource for Delay {
    fn set_capacity(&mut self, _: Nanos, _: Capacity) {}

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        let job = JobId(self.begun);
        self.begun += 1;
        self.account.asked += work.grains();
        self.account.given += work.grains();
        self.jobs.insert((now + Nanos(work.units), job));
        job
    }

    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
        let found = self.jobs.iter().copied().find(|(_, other)| *other == job)?;
        self.jobs.remove(&found);
        Some((found.0 - now).0)
    }

    fn next(&self) -> Option<Nanos> {
        self.jobs.first().map(|(end, _)| *end)
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        let (_, job) = self.jobs.first().copied().filter(|(end, _)| *end <= now)?;
        self.jobs.pop_first();
        self.account.ended += 1;
        Some(job)
    }

    fn jobs(&self) -> usize {
        self.jobs.len()
    }

    fn account(&self) -> Account {
        self.account
    }
}

/// Runs it under heavy load.
pub fn main() {
    let arrivals = Poisson::new(1000.0, Nanos::from_seconds(100.0), stream(1, "load", "arrivals"));
    let sizes = Sizes::exponential(10e6, stream(1, "jobs", "sizes"));
    let mut world = World::new(Station::new(Delay::default(), arrivals, sizes));
    world.run(&mut [], Limits::GENEROUS);
    let mean = world.model().mean_response_s();
    println!("{} jobs, mean response {:.2} ms", world.model().ended(), 1e3 * mean);
    assert!((mean / 0.010 - 1.0).abs() < 0.02);
}
