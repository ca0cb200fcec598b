//! Deviations component by component, and the order of policies.
mod common;
use common::{ladder, scenario, trace};
use proptest::prelude::*;
use supple_sim::fidelity::{deviations, kendall_tau};
use supple_sim::{Stage, Timing};
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
