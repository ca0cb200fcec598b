//! Deviations component by component, and the order of policies.
mod common;
use common::{ladder, scenario, trace};
use proptest::prelude::*;
use supple_sim::fidelity::{deviations, kendall_tau};
use supple_sim::{Cold, Stage, Timing};
use supple_strategy::policies::Hold;
use supple_strategy::{Nanos, Spread};

/// Tau-b by its definition: pairs in the same order less those in the opposite, over the geometric mean of the pairs that each ranking orders.
fn naive(a: &[f64], b: &[f64]) -> Option<f64> {
    let pairs: Vec<(usize, usize)> = (0..a.len()).flat_map(|i| (i + 1..a.len()).map(move |j| (i, j))).collect();
    let count = |of: &dyn Fn(usize, usize) -> bool| pairs.iter().filter(|(i, j)| of(*i, *j)).count() as f64;
    let same = count(&|i, j| (a[i] < a[j] && b[i] < b[j]) || (a[i] > a[j] && b[i] > b[j]));
    let opposite = count(&|i, j| (a[i] < a[j] && b[i] > b[j]) || (a[i] > a[j] && b[i] < b[j]));
    let all = (count(&|i, j| a[i] != a[j]) * count(&|i, j| b[i] != b[j])).sqrt();
    (all > 0.0).then(|| (same - opposite) / all)
}

proptest! {
    #[test]
    fn tau_is_what_counting_gives(pairs in prop::collection::vec((0u8..6, 0u8..6), 0..30)) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
        match (kendall_tau(&a, &b), naive(&a, &b)) {
            (Some(ours), Some(theirs)) => prop_assert!((ours - theirs).abs() < 1e-12),
            (ours, theirs) => prop_assert_eq!(ours, theirs),
        }
    }
}

#[test]
fn tau_of_known_orders() {
    assert_eq!(kendall_tau(&[1.0, 2.0, 3.0], &[4.0, 5.0, 9.0]), Some(1.0));
    assert_eq!(kendall_tau(&[1.0, 2.0, 3.0], &[9.0, 5.0, 4.0]), Some(-1.0));
    assert_eq!(kendall_tau(&[1.0], &[1.0]), None);
    assert_eq!(kendall_tau(&[1.0, 1.0], &[1.0, 2.0]), None);
}

#[test]
fn a_run_does_not_deviate_from_itself_and_each_component_shows_where_it_should() {
    let scenario = scenario(3, 4.0, "[load]\nutilisation = 0.3\n[request]\nbatch = 4\ndeadline_services = 4.0\n");
    let (ladder, full) = (ladder(), trace(&[(0, 1.0)]));
    let stage = Stage::new(&scenario, &ladder, &full).expect("a stage");
    let exact = stage.observe(&mut Hold::default(), "hold").expect("a run").1;
    assert!(deviations(&exact, &exact).iter().all(|deviation| deviation.signed_error == 0.0));

    let late = Timing { wake: Some(Spread::of(vec![0.004]).expect("a spread")), ..Timing::default() };
    let woken = stage.clone().timed(&late).observe(&mut Hold::default(), "hold").expect("a run").1;
    let error = |component: &str, metric: &str| {
        let found = deviations(&exact, &woken);
        let one = found.iter().find(|deviation| deviation.component == component && deviation.metric == metric);
        one.expect("a deviation").signed_error
    };
    assert_eq!(error("service", "mean_ms"), 0.0);
    assert!(error("queueing", "mean_ms") > 0.0 && error("end_to_end", "mean_ms") > 0.0);
}

#[test]
fn a_changed_rung_takes_its_time_and_missing_bandwidth_stretches_work() {
    let tables = "[bandwidth]\nsteps = [[0.0, 0.5]]\nsensitivity = 1.0\n[load]\nrate_hz = 1.0\narrivals = \"periodic\"\n[device]\nmechanism = \"fluid\"\n";
    let scenario = scenario(3, 2.0, tables);
    let (ladder, full) = (common::fixed(0.1), trace(&[(0, 1.0)]));
    let stage = Stage::new(&scenario, &ladder, &full).expect("a stage");
    let plain = stage.serve(&mut Hold::default(), "hold").expect("a run");
    assert_eq!(plain.records[0].finished, Some(Nanos(150_000_000)));
    let measured = Timing { bandwidth: vec![3.0], ..Timing::default() };
    let timed = stage.timed(&measured).serve(&mut Hold::default(), "hold").expect("a run");
    assert_eq!(timed.records[0].finished, Some(Nanos(250_000_000)));
}

/// Pieces of 100 ms, one a second from the start, in periods of 200 ms: all but the first are 30 ms longer for the time before them; on a quarter of the processor each
/// 50 ms are followed by 150 ms away, which add 20.
#[test]
fn work_takes_longer_after_the_thread_was_away() {
    let tables = "[load]\nrate_hz = 1.0\narrivals = \"periodic\"\n[device]\nmechanism = \"quota\"\nperiod_ms = 200.0\n";
    let (scenario, ladder) = (scenario(3, 2.5, tables), common::fixed(0.1));
    let cold = Cold { away_s: vec![0.1, 0.2], added_s: vec![vec![0.01, 0.03]] };
    let timing = Timing { cold, ..Timing::default() };
    let took = |share: f64| -> Vec<f64> {
        let half = trace(&[(0, share)]);
        let stage = Stage::new(&scenario, &ladder, &half).expect("a stage").timed(&timing);
        let (_, seen) = stage.observe(&mut Hold::default(), "hold").expect("a run");
        seen.service.iter().map(|service| service.millis()).collect()
    };
    assert_eq!(took(1.0), [100.0, 130.0, 130.0]);
    assert_eq!(took(0.25), [140.0, 190.0, 190.0]);
}

proptest! {
    #[test]
    fn the_longer_away_the_more_is_added_and_never_more_than_was_measured(steps in prop::collection::vec((1u32..50, 0u32..50), 1..6), away in 0u64..300_000_000) {
        let (mut at, mut added) = (0, 0);
        let points: Vec<(f64, f64)> = steps.iter().map(|(gap, more)| {
            (at, added) = (at + gap, added + more);
            (f64::from(at) / 1e3, f64::from(added) / 1e3)
        }).collect();
        let (away_s, added_s): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let cold = Cold { away_s, added_s: vec![added_s] };
        let most = points[points.len() - 1].1;
        prop_assert_eq!(cold.added(0, Nanos::ZERO), Nanos::ZERO);
        prop_assert!(cold.added(0, Nanos(away)) <= cold.added(7, Nanos(away + 1_000_000)));
        prop_assert!(cold.added(0, Nanos(away)).seconds() <= most + 1e-9);
        for (gap, more) in points {
            prop_assert_eq!(cold.added(0, Nanos::from_seconds(gap)), Nanos::from_seconds(more));
        }
    }
}
