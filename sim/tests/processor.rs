//! Laws of the processor: what a share gives, and that time goes on.
mod common;
use common::trace;
use proptest::prelude::*;
use supple_sim::mechanism::{Pace, Processor, Starved};
use supple_sim::{End, Mechanism, Trace};
use supple_strategy::Nanos;

const MS: u64 = 1_000_000;
const QUOTA: Mechanism = Mechanism::Quota { period: Nanos(10 * MS), tick: Nanos::ZERO };

fn mechanism() -> impl Strategy<Value = Mechanism> {
    prop_oneof![
        Just(Mechanism::Fluid),
        (1..50u64).prop_map(|ms| Mechanism::Quota { period: Nanos(ms * MS), tick: Nanos::ZERO })
    ]
}

/// Any trace that gives something at its end, so that no work starves.
fn moving() -> impl Strategy<Value = Trace> {
    let share = prop_oneof![1 => Just(0.0), 1 => Just(1.0), 4 => 0.01..1.0];
    let pieces = prop::collection::vec((1..400u64, share), 0..8);
    let last = (0.02..1.0, prop_oneof![Just(End::Hold), Just(End::Loop)]);
    (pieces, last).prop_map(|(pieces, (share, end))| {
        let mut now = 0;
        let mut points = Vec::new();
        for (span, share) in pieces {
            points.push((Nanos(now * MS), share));
            now += span;
        }
        points.push((Nanos(now * MS), share));
        Trace::new(points, Nanos((now + 100) * MS), end).expect("a trace")
    })
}

proptest! {
    #[test]
    fn time_never_goes_back_and_work_served_is_work_offered(
        trace in moving(), mechanism in mechanism(), jobs in prop::collection::vec((0..60 * MS, 0..90 * MS), 1..20),
    ) {
        let mut processor = Processor::new(&trace, mechanism);
        let mut offered = 0;
        for (idle, demand) in jobs {
            let before = processor.now();
            processor.wait(before + Nanos(idle));
            prop_assert_eq!(processor.now(), before + Nanos(idle));
            prop_assert_eq!(processor.work(Nanos(demand)), Ok(()));
            prop_assert!(processor.now() >= before + Nanos(idle) + Nanos(demand));
            processor.wait(Nanos::ZERO);
            offered += demand;
        }
        prop_assert!(processor.served().0.abs_diff(offered) <= 1);
    }

    #[test]
    fn fluid_work_ends_when_the_integral_of_the_share_reaches_it(trace in moving(), begin in 0..900 * MS, demand in 1..200 * MS) {
        let mut processor = Processor::new(&trace, Mechanism::Fluid);
        processor.wait(Nanos(begin));
        prop_assert_eq!(processor.work(Nanos(demand)), Ok(()));
        let span = processor.now() - Nanos(begin);
        let given = trace.mean(Nanos(begin), processor.now()) * span.0 as f64;
        prop_assert!((given - demand as f64).abs() <= 4.0, "{given} given, {demand} asked");
    }

    #[test]
    fn fluid_at_a_constant_share_takes_work_over_share(share in 0.01..=1.0, demand in 1..500 * MS) {
        let trace = Trace::constant(share).expect("a trace");
        let mut processor = Processor::new(&trace, Mechanism::Fluid);
        prop_assert_eq!(processor.work(Nanos(demand)), Ok(()));
        prop_assert!((processor.now().0 as f64 - demand as f64 / share).abs() <= 1.0);
    }

    #[test]
    fn a_full_share_never_throttles(mechanism in mechanism(), idle in 0..50 * MS, demand in 0..500 * MS) {
        let trace = Trace::constant(1.0).expect("a trace");
        let mut processor = Processor::new(&trace, mechanism);
        processor.wait(Nanos(idle));
        prop_assert_eq!(processor.work(Nanos(demand)), Ok(()));
        prop_assert_eq!(processor.now(), Nanos(idle + demand));
    }

    #[test]
    fn a_saturated_quota_gives_its_share_and_never_more(share in 0.01..1.0, periods in 20..200u64) {
        let trace = Trace::constant(share).expect("a trace");
        let mut processor = Processor::new(&trace, QUOTA);
        let pool = (share * 10e6).round() as u64;
        prop_assert_eq!(processor.work(Nanos(periods * pool)), Ok(()));
        prop_assert_eq!(processor.now(), Nanos((periods - 1) * 10 * MS + pool));
    }

    #[test]
    fn a_quota_never_gives_more_than_its_pools(share in 0.01..1.0, jobs in prop::collection::vec((0..30 * MS, 1..9 * MS), 1..30)) {
        let trace = Trace::constant(share).expect("a trace");
        let mut processor = Processor::new(&trace, QUOTA);
        for (idle, demand) in jobs {
            processor.wait(processor.now() + Nanos(idle));
            prop_assert_eq!(processor.work(Nanos(demand)), Ok(()));
            let pools = processor.now().0.div_ceil(10 * MS) as f64;
            prop_assert!(processor.served().0 as f64 <= pools * (share * 10e6).round());
        }
    }
}

#[test]
fn a_quota_stutters_as_linux_does() {
    let trace = trace(&[(0, 0.3), (25, 0.5)]);
    let mut processor = Processor::new(&trace, QUOTA);
    let mut finish = |ms: u64| processor.work(Nanos(ms * MS)).map(|()| processor.now().0 / MS);
    assert_eq!(finish(2), Ok(2));
    assert_eq!(finish(2), Ok(11), "one millisecond of the first pool was left");
    assert_eq!(finish(4), Ok(22), "the pool of 20..30 was set before the share rose at 25");
    assert_eq!(finish(6), Ok(35), "from 30 on it holds 5 ms");
}

#[test]
fn an_unused_pool_is_lost() {
    let trace = trace(&[(0, 0.3)]);
    let mut processor = Processor::new(&trace, QUOTA);
    processor.wait(Nanos(95 * MS));
    assert_eq!(processor.work(Nanos(4 * MS)), Ok(()));
    assert_eq!(processor.now(), Nanos(101 * MS));
}

#[test]
fn without_a_share_work_waits_and_then_starves() {
    for mechanism in [Mechanism::Fluid, QUOTA] {
        let trace = trace(&[(0, 0.0), (40, 1.0), (60, 0.0)]);
        let mut processor = Processor::new(&trace, mechanism);
        assert_eq!(processor.work(Nanos(15 * MS)), Ok(()));
        assert_eq!(processor.now(), Nanos(55 * MS));
        assert_eq!(processor.work(Nanos(15 * MS)), Err(Starved));
        assert_eq!(processor.served(), Nanos(20 * MS));
        assert_eq!(processor.now(), Nanos::MAX);
    }
}

#[test]
fn a_share_that_no_refill_ever_meets_starves() {
    let points = vec![(Nanos::ZERO, 0.0), (Nanos(4 * MS), 1.0), (Nanos(6 * MS), 0.0)];
    let trace = Trace::new(points, Nanos(10 * MS), End::Loop).expect("a trace");
    assert_eq!(Processor::new(&trace, QUOTA).work(Nanos(MS)), Err(Starved));
    assert_eq!(Processor::new(&trace, Mechanism::Fluid).work(Nanos(3 * MS)), Ok(()));
}

const TICKS: Mechanism = Mechanism::Quota { period: Nanos(20 * MS), tick: Nanos(4 * MS) };

#[test]
fn a_thread_runs_on_to_the_next_tick_and_pays_back() {
    let trace = Trace::constant(0.25).expect("a trace");
    let mut processor = Processor::new(&trace, TICKS);
    let ends = [5u64, 1, 6, 4].map(|ms| {
        processor.work(Nanos(ms * MS)).expect("an end");
        processor.now().0 as f64 / MS as f64
    });
    // Ticks at 2, 6, 10, ...: after five the pool is empty, which is seen when the work ends, so that it is given back at the refill at 20. What is
    // left of that is used up at 25, nobody looks before 26, one is over; the next refill gives four, of which three are left at 41. They are used up at 44,
    // which is seen when the work ends at 45: it owes one, and is given back at 60.
    assert_eq!(ends, [20.0, 21.0, 41.0, 60.0]);
    processor.work(Nanos(MS)).expect("an end");
    assert_eq!(processor.now(), Nanos(61 * MS));
}

proptest! {
    #[test]
    fn ticks_give_the_same_share_in_the_long_run(share in 0.05..1.0f64, pieces in prop::collection::vec(1u64..30_000_000, 50..80)) {
        let trace = Trace::constant(share).expect("a trace");
        let mut processor = Processor::new(&trace, TICKS);
        pieces.iter().for_each(|&piece| processor.work(Nanos(piece)).expect("an end"));
        let (got, time) = (processor.served().0 as f64, processor.now().0 as f64);
        prop_assert!((got - share * time).abs() <= 24.0 * MS as f64, "{} of {}", got, share * time);
    }

    #[test]
    fn work_takes_as_long_as_its_pace_says(sensitivity in 0.0..4.0f64, free in 0.0..1.0f64, piece in 1u64..900_000_000) {
        let (full, part) = (Trace::constant(1.0).expect("a trace"), trace(&[(0, free), (100, 1.0)]));
        let mut processor = Processor::new(&full, Mechanism::Fluid);
        processor.work_at(Nanos(piece), Pace { free: Some(&part), sensitivity, ..Pace::default() }).expect("an end");
        let stretch = 1.0 + sensitivity * (1.0 - free);
        let first = (100.0 * MS as f64).min(piece as f64 * stretch);
        let expected = first + (piece as f64 - first / stretch).max(0.0);
        prop_assert!((processor.now().0 as f64 - expected).abs() <= 3.0, "{} {}", processor.now().0, expected);
    }
}
