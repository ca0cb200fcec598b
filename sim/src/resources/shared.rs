//! Processor sharing.
use crate::attained::Attained;
use crate::heap::{Heap, Packed};
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// All jobs at once, each with an equal part of the capacity (weights and caps are not heeded). A change of capacity takes the same
/// time however many jobs there are, beginning and end of a job O(log n).
///
/// A job ends at the first nanosecond at which it has all that it asked; what the capacity gave beyond that within the nanosecond goes
/// to the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shared {
    attained: Attained,
    /// Keyed by the attained service at which a job ends, then by order of entry.
    jobs: Heap<Packed, ()>,
    entered: u64,
    account: Account,
}

/// Bits of a key for the order of entry. The other 88 count grains: two years of attained service in one busy period.
const ORDER: u32 = 40;

impl Shared {
    /// Without jobs, at this capacity.
    pub fn new(capacity: Capacity) -> Self {
        Self { attained: Attained { capacity, ..Attained::default() }, ..Self::default() }
    }

    fn advance(&mut self, now: Nanos) {
        let jobs = self.jobs.len() as u64;
        self.account.given += self.attained.advance(now, jobs) * u128::from(jobs);
        if jobs == 0 {
            self.attained.each = 0;
        }
    }

    fn end(key: Packed) -> u128 {
        u128::from(key) >> ORDER
    }

    /// Gives the others what a job that ended did not need any more.
    fn give_back(&mut self, surplus: u128) {
        self.account.given -= surplus;
        self.attained.spare += surplus;
    }
}

impl Resource for Shared {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        self.advance(now);
        self.attained.capacity = capacity;
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        self.advance(now);
        let asked = work.grains();
        self.account.asked += asked;
        let order = u128::from(self.entered & ((1 << ORDER) - 1));
        self.entered += 1;
        self.jobs.push(Packed::from((self.attained.each + asked) << ORDER | order), ()).into()
    }

    fn withdraw(&mut self, now: Nanos, job: JobId) -> Option<u64> {
        self.advance(now);
        let (key, ()) = self.jobs.remove(job.into())?;
        let left = Self::end(key).saturating_sub(self.attained.each);
        self.give_back(self.attained.each.saturating_sub(Self::end(key)));
        self.account.withdrawn += left;
        Some(left.div_ceil(1 << Capacity::BITS) as u64)
    }

    fn next(&self) -> Option<Nanos> {
        self.attained.reaches(Self::end(self.jobs.peek()?), self.jobs.len() as u64)
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.advance(now);
        let end = Self::end(self.jobs.peek()?);
        if end > self.attained.each {
            return None;
        }
        let (handle, ..) = self.jobs.pop_entry()?;
        self.give_back(self.attained.each - end);
        self.account.ended += 1;
        Some(handle.into())
    }

    fn jobs(&self) -> usize {
        self.jobs.len()
    }

    fn account(&self) -> Account {
        self.account
    }
}
