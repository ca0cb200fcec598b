//! First come, first served.
use crate::attained::Attained;
use crate::resource::{Account, Capacity, JobId, Resource, Work};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use supple_strategy::Nanos;

/// A number of equal places, each an equal part of the capacity; who finds none free waits, first come, first served (weights and caps
/// are not heeded). What a place gave beyond the end of a job, within the nanosecond, goes to the next in that place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fifo {
    attained: Attained,
    places: u64,
    /// Of jobs in places, the attained service at which they end, and their number.
    running: BTreeSet<(u128, u64)>,
    /// Numbers, ascending, and grains asked.
    waiting: VecDeque<(u64, u128)>,
    entered: u64,
    account: Account,
}

impl Fifo {
    /// Without jobs, at this capacity; a place at least.
    pub fn new(capacity: Capacity, places: u32) -> Self {
        let attained = Attained { capacity, ..Attained::default() };
        Self { attained, places: places.max(1).into(), ..Self::default() }
    }

    fn advance(&mut self, now: Nanos) {
        if self.running.is_empty() {
            self.attained.advance(now, 0);
        } else {
            let each = self.attained.advance(now, self.places.max(1));
            self.account.given += each * self.running.len() as u128;
        }
    }

    /// Lets the next one that waits have a place from when the attained service was `since`.
    fn fill(&mut self, since: u128) {
        if let Some((number, asked)) = self.waiting.pop_front() {
            self.account.given += self.attained.each - since;
            self.running.insert((since + asked, number));
        }
    }

    fn withdraw_running(&mut self, number: u64) -> Option<u128> {
        let &(end, _) = self.running.iter().find(|(_, running)| *running == number)?;
        self.running.remove(&(end, number));
        let since = self.attained.each.min(end);
        self.account.given -= self.attained.each - since;
        self.fill(since);
        Some(end - since)
    }

    fn withdraw_waiting(&mut self, number: u64) -> Option<u128> {
        let at = self.waiting.binary_search_by_key(&number, |(waiting, _)| *waiting).ok()?;
        self.waiting.remove(at).map(|(_, asked)| asked)
    }
}

impl Resource for Fifo {
    fn set_capacity(&mut self, now: Nanos, capacity: Capacity) {
        self.advance(now);
        self.attained.capacity = capacity;
    }

    fn begin(&mut self, now: Nanos, work: Work) -> JobId {
        self.advance(now);
        let (number, asked) = (self.entered, work.grains());
        self.entered += 1;
        self.account.asked += asked;
        self.waiting.push_back((number, asked));
        if (self.running.len() as u64) < self.places.max(1) {
            self.fill(self.attained.each);
        }
        JobId(number)
    }

    fn withdraw(&mut self, now: Nanos, JobId(number): JobId) -> Option<u64> {
        self.advance(now);
        let left = self.withdraw_running(number).or_else(|| self.withdraw_waiting(number))?;
        self.account.withdrawn += left;
        Some(left.div_ceil(1 << Capacity::BITS) as u64)
    }

    fn next(&self) -> Option<Nanos> {
        let &(end, _) = self.running.first()?;
        self.attained.reaches(end, self.places.max(1))
    }

    fn done(&mut self, now: Nanos) -> Option<JobId> {
        self.advance(now);
        let &(end, number) = self.running.first().filter(|(end, _)| *end <= self.attained.each)?;
        self.running.pop_first();
        self.account.given -= self.attained.each - end;
        self.account.ended += 1;
        self.fill(end);
        Some(JobId(number))
    }

    fn jobs(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    fn account(&self) -> Account {
        self.account
    }
}
