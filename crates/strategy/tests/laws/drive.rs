use crate::generators::ladders;
use proptest::collection::vec;
use proptest::prelude::*;
use std::convert::Infallible;
use supple_graph::Setting;
use supple_strategy::policies::{self, PolicyOptions};
use supple_strategy::{
    Amounts, Batching, Demand, Job, Ladder, Learner, Nanos, Outcome, Plant, Record, Request, Rung, Spread, Stamp,
    Stint, drive,
};

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

fn one_rung() -> Ladder {
    let service = Spread::of(vec![0.01]).expect("service times");
    let rung = Rung { setting: Setting::new(Vec::new()), cost: Amounts::of_seconds(0.01), service, quality: 0.9 };
    Ladder::new(Stamp::default(), vec![rung]).expect("a ladder")
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
    fn batches_lose_nothing_and_are_no_larger_than_they_may(
        ladder in ladders(), slowdowns in vec(0.5..8.0, 1..20), gaps in vec((0u64..20_000_000, 0u64..90_000_000), 0..60),
        most in 0usize..5, patience in 0u64..50_000_000, fixed in -0.5..1.5,
    ) {
        let (requests, batching) = (requests(&gaps), Batching { most, patience: Nanos(patience), fixed });
        let mut policy = policies::by_name("kalman", &PolicyOptions::default(), &Demand::default()).expect("listed");
        let mut plant = Machine { now: Nanos::ZERO, ladder: &ladder, rung: 0, slowdowns: &slowdowns, ran: Vec::new() };
        let Ok(records) = drive::serve_batched(&mut plant, &requests, batching, &ladder, &mut *policy);
        prop_assert_eq!(records.len(), requests.len());
        prop_assert!(records.iter().zip(&requests).all(|(a, b)| (a.arrival, a.due) == (b.arrival, b.due)));
        prop_assert!(records.iter().all(|r| r.arrival <= r.started && (r.finished.is_some() || r.started >= r.due)));
        let served: Vec<&Record> = records.iter().filter(|r| r.finished.is_some()).collect();
        prop_assert_eq!(plant.ran.len(), served.len());
        for batch in served.chunk_by(|a, b| a.started == b.started && a.finished == b.finished) {
            prop_assert!(batch.len() <= most.max(1) && batch.iter().all(|r| r.rung == batch[0].rung));
        }
        prop_assert!(served.windows(2).all(|pair| pair[0].started == pair[1].started || pair[0].finished <= Some(pair[1].started)));
    }

    #[test]
    fn a_loss_costs_the_steps_since_the_last_checkpoint(every in 0usize..5, deeds in vec(0u8..8, 0..60)) {
        let mut learner = Learner::new(20, Nanos::MAX).with_checkpoints(every);
        let ladder = one_rung();
        let (mut now, mut kept, mut made, mut lost) = (0, 0, 0, 0);
        for deed in deeds {
            now += 1;
            if deed == 0 {
                prop_assert_eq!(learner.interrupt(), made - kept);
                lost += made - kept;
                made = kept;
                continue;
            }
            match learner.turn(Nanos(now), &ladder, &mut policies::Hold::default()) {
                Stint::Step { number, .. } => {
                    prop_assert_eq!(number, made);
                    learner.done(Nanos(now), Outcome::default());
                    made += 1;
                }
                Stint::Save => {
                    prop_assert_eq!(made - kept, every);
                    learner.saved();
                    kept = made;
                }
                Stint::Over => prop_assert_eq!(made, 20),
            }
        }
        prop_assert!(learner.made() == made && made <= 20 && (every == 0 || made - kept <= every), "{lost} lost");
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
