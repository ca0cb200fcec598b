use crate::generators::ladders;
use proptest::collection::vec;
use proptest::prelude::*;
use std::convert::Infallible;
use supple_graph::Setting;
use supple_strategy::policies::{self, PolicyOptions};
use supple_strategy::{Demand, Job, Ladder, Nanos, Outcome, Plant, Record, Request, drive};

/// A machine whose slow-down differs from one piece of work to the next.
struct Machine<'a> {
    now: Nanos,
    ladder: &'a Ladder,
    rung: usize,
    slowdowns: &'a [f64],
    ran: Vec<Job>,
}

impl Plant for Machine<'_> {
    type Error = Infallible;
    fn now(&mut self) -> Nanos {
        self.now
    }
    fn wait(&mut self, when: Nanos) -> Result<(), Infallible> {
        self.now = self.now.max(when);
        Ok(())
    }
    fn apply(&mut self, setting: &Setting) -> Result<(), Infallible> {
        self.rung = self.ladder.rungs().iter().position(|rung| rung.setting == *setting).expect("one of the ladder's");
        Ok(())
    }
    fn run(&mut self, job: Job) -> Result<Outcome, Infallible> {
        let slowdown = self.slowdowns[self.ran.len() % self.slowdowns.len()];
        self.now = self.now + Nanos::from_seconds(slowdown * self.ladder.rungs()[self.rung].cost.seconds);
        self.ran.push(job);
        Ok(Outcome { right: 1, of: 1 })
    }
    fn stopped(&self) -> bool {
        false
    }
}

fn requests(gaps: &[(u64, u64)]) -> Vec<Request> {
    let mut arrival = Nanos::ZERO;
    let next = |&(gap, slack): &(u64, u64)| {
        arrival = arrival + Nanos(gap);
        Request { arrival, due: arrival + Nanos(slack) }
    };
    gaps.iter().map(next).collect()
}

fn in_order(records: &[Record]) -> bool {
    let end = |record: &Record| record.finished.unwrap_or(record.started);
    records.iter().all(|r| r.arrival <= r.started && r.started <= end(r))
        && records.windows(2).all(|pair| end(&pair[0]) <= pair[1].started)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_has_one_record_in_order(
        ladder in ladders(), slowdowns in vec(0.5..8.0, 1..20), gaps in vec((0u64..40_000_000, 0u64..80_000_000), 0..60)
    ) {
        let requests = requests(&gaps);
        for name in policies::names() {
            let mut policy = policies::by_name(name, &PolicyOptions::default(), &Demand::default()).expect("listed");
            let mut plant = Machine { now: Nanos::ZERO, ladder: &ladder, rung: 0, slowdowns: &slowdowns, ran: Vec::new() };
            let Ok(records) = drive::serve(&mut plant, &requests, &ladder, &mut *policy);
            prop_assert_eq!(records.len(), requests.len());
            prop_assert!(records.iter().zip(&requests).all(|(a, b)| (a.arrival, a.due) == (b.arrival, b.due)));
            prop_assert!(in_order(&records));
            let served = |(i, r): (usize, &Record)| r.finished.map(|_| Job::Request(i));
            let expected: Vec<Job> = records.iter().enumerate().filter_map(served).collect();
            prop_assert_eq!(plant.ran, expected);
            prop_assert!(records.iter().all(|r| r.finished.is_some() || r.started >= r.due));
        }
    }

    #[test]
    fn steps_stop_at_the_deadline(ladder in ladders(), slowdowns in vec(0.5..8.0, 1..20), steps in 0usize..60, seconds in 0.0..2.0) {
        let deadline = Nanos::from_seconds(seconds);
        let mut policy = policies::by_name("kalman", &PolicyOptions::default(), &Demand::default()).expect("listed");
        let mut plant = Machine { now: Nanos::ZERO, ladder: &ladder, rung: 0, slowdowns: &slowdowns, ran: Vec::new() };
        let Ok(records) = drive::train(&mut plant, steps, deadline, &ladder, &mut *policy);
        prop_assert!(records.len() <= steps && in_order(&records));
        prop_assert!(records.iter().all(|r| r.started < deadline));
        prop_assert_eq!(plant.ran, (0..records.len()).map(Job::Step).collect::<Vec<_>>());
    }
}
