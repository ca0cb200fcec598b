//! Max-min fair shares with weights and caps.
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use supple_strategy::Nanos;

/// All jobs at once, each with a part of the capacity in proportion to its weight, but no more than its cap; what capped jobs leave
/// goes to the others (water-filling; Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2). Every change takes O(n log n) of
/// n jobs.
///
/// Rates are whole grains a nanosecond: of the capacity fewer than n of them stay unused.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MaxMin {
    now: Nanos,
    capacity: Capacity,
    jobs: BTreeMap<u64, Flow>,
    entered: u64,
    account: Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flow {
    left: u128,
    weight: u64,
    cap: u64,
    /// Grains a nanosecond.
    rate: u64,
    /// When it has all that it asked, at this rate.
    ends: Nanos,
}

impl MaxMin {
    /// Without jobs, at this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// What a job gets at the moment; nothing when it is not there.
    pub fn rate(&self, JobId(number): JobId) -> Capacity {
        Capacity::from_grains(self.jobs.get(&number).map_or(0, |job| job.rate))
    }

    fn advance(&mut self, now: Nanos) {
        let span = u128::from(now.since(self.now).0);
        self.now = self.now.max(now);
        for job in self.jobs.values_mut() {
            let given = job.left.min(u128::from(job.rate) * span);
            job.left -= given;
            self.account.given += given;
        }
    }

    /// Shares the capacity out: by ascending cap for its weight, each takes its cap or its part of what is left, if that is less.
    fn share_out(&mut self) {
        let mut flows: Vec<&mut Flow> = self.jobs.values_mut().collect();
        flows.sort_by(|a, b| {
            (u128::from(a.cap) * u128::from(b.weight)).cmp(&(u128::from(b.cap) * u128::from(a.weight)))
        });
        let mut weights: u128 = flows.iter().map(|flow| u128::from(flow.weight)).sum();
        let mut grains = u128::from(self.capacity.grains());
        for flow in flows {
            let weight = u128::from(flow.weight);
            let rate = (grains * weight / weights).min(flow.cap.into());
            weights -= weight;
            grains -= rate;
            flow.rate = rate as u64;
            flow.ends = flow.end(self.now);
        }
    }
}

impl Flow {
    fn end(&self, now: Nanos) -> Nanos {
        match (self.left, self.rate) {
            (0, _) => now,
            (_, 0) => Nanos::MAX,
            (left, rate) => Nanos(u64::try_from(left.div_ceil(rate.into())).unwrap_or(u64::MAX)) + now,
        }
    }
}

impl Resource for MaxMin {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        self.advance(now);
        self.capacity = capacity;
        self.share_out();
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        self.advance(now);
        let left = work.grains();
        let cap = work.cap.map_or(u64::MAX, Capacity::grains);
        let number = self.entered;
        self.entered += 1;
        self.account.asked += left;
        self.jobs.insert(number, Flow { left, weight: work.weight.max(1).into(), cap, rate: 0, ends: Nanos::MAX });
        self.share_out();
        JobId(number)
    }

    fn withdraw(&mut self, now: Nanos, JobId(number): JobId) -> Option<u64> {
        self.advance(now);
        let job = self.jobs.remove(&number)?;
        self.account.withdrawn += job.left;
        self.share_out();
        Some(job.left.div_ceil(1 << Capacity::BITS) as u64)
    }

    fn next(&self) -> Option<Nanos> {
        self.jobs.values().map(|job| job.ends).min().filter(|end| *end < Nanos::MAX)
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.advance(now);
        let (ends, number) = self.jobs.iter().map(|(number, job)| (job.ends, *number)).min()?;
        if ends > now {
            return None;
        }
        self.jobs.remove(&number);
        self.account.ended += 1;
        self.share_out();
        Some(JobId(number))
    }

    fn jobs(&self) -> usize {
        self.jobs.len()
    }

    fn account(&self) -> Account {
        self.account
    }
}
