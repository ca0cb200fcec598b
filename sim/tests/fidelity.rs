//! Deviations component by component, and the order of policies.
mod common;
use common::{ladder, scenario, trace};
use proptest::prelude::*;
use rand::RngExt;
use supple_sim::fidelity::{deviations, kendall_tau};
use supple_sim::random::stream;
use supple_sim::shrinkage::{Estimate, shrunk};
use supple_sim::{Allowance, Cold, End, Look, Looks, Scenario, Speeds, Stage, Timing, Trace, Unit, Watch};
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
    let runs = std::slice::from_ref;
    assert!(deviations(runs(&exact), runs(&exact)).iter().all(|deviation| deviation.signed_error == 0.0));
    assert!(deviations(&[], runs(&exact)).is_empty());

    let late = Timing { wake: Some(Spread::of(vec![0.004]).expect("a spread")), ..Timing::default() };
    let woken = stage.clone().timed(&late).observe(&mut Hold::default(), "hold").expect("a run").1;
    let error = |component: &str, metric: &str| {
        let found = deviations(runs(&exact), runs(&woken));
        let one = found.iter().find(|deviation| deviation.component == component && deviation.metric == metric);
        one.expect("a deviation").signed_error
    };
    assert_eq!(error("service", "mean_ms"), 0.0);
    assert!(error("queueing", "mean_ms") > 0.0 && error("end_to_end", "mean_ms") > 0.0);

    let both = [exact.clone(), woken];
    let found = deviations(&both, &[both[1].clone(), both[0].clone()]);
    assert!(found.iter().all(|deviation| deviation.signed_error == 0.0 && deviation.live_error.is_some()));
    let done = found.iter().find(|deviation| deviation.metric == "done").expect("a figure");
    assert_eq!((done.live, done.live_error), (2.0 * exact.records.len() as f64, Some(0.0)));
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
    let cold = Cold { away_s: vec![0.1, 0.2], added_s: vec![vec![0.01, 0.03]], ..Cold::default() };
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
        let cold = Cold { away_s, added_s: vec![added_s], changed_s: vec![0.5] };
        let most = points[points.len() - 1].1;
        prop_assert_eq!(cold.added(0, Nanos::ZERO), Nanos::ZERO);
        prop_assert!(cold.added(0, Nanos(away)) <= cold.added(7, Nanos(away + 1_000_000)));
        prop_assert!(cold.added(0, Nanos(away)).seconds() <= most + 1e-9);
        prop_assert_eq!(cold.changed(0, Nanos(away)) + cold.added(0, Nanos(away)), Nanos::from_seconds(0.5).max(cold.added(0, Nanos(away))));
        for (gap, more) in points {
            prop_assert_eq!(cold.added(0, Nanos::from_seconds(gap)), Nanos::from_seconds(more));
        }
    }
}

/// Work of 100 ms once a second: on a machine of half its speed from the second one on it takes 200, or 141 where only the root of the speed counts.
#[test]
fn work_goes_on_as_fast_as_the_machine_is() {
    let (scenario, ladder) = (scenario(3, 1.5, "[load]\nrate_hz = 1.0\narrivals = \"periodic\"\n"), common::fixed(0.1));
    let points = vec![(Nanos::ZERO, 1.0), (Nanos::from_seconds(0.5), 0.5)];
    let (full, speed) = (trace(&[(0, 1.0)]), Trace::of(Unit::Number, points, Nanos::ZERO, End::Hold).expect("a trace"));
    let took = |powers: Vec<f64>| -> Vec<u64> {
        let timing = Timing { powers, ..Timing::default() };
        let stage = Stage::new(&scenario, &ladder, &full).expect("a stage").timed(&timing).at_speed(&speed);
        let (run, _) = stage.observe(&mut Hold::default(), "hold").expect("a run");
        run.records.iter().map(|record| (record.finished.expect("an end") - record.arrival).0 / 1_000_000).collect()
    };
    assert_eq!(took(vec![]), [100, 200]);
    assert_eq!(took(vec![0.5]), [100, 141]);
    assert_eq!(took(vec![0.0]), [100, 100]);
}

#[test]
fn a_scenario_says_how_fast_its_machine_is() {
    let tables =
        "[load]\nrate_hz = 1.0\narrivals = \"periodic\"\n[speed]\nmap = \"raw\"\nsteps = [[0.0, 1.0], [0.5, 0.5]]\n";
    let (scenario, ladder, full) = (scenario(3, 1.5, tables), common::fixed(0.1), trace(&[(0, 1.0)]));
    let stage = Stage::new(&scenario, &ladder, &full).expect("a stage");
    let took = |stage: &Stage<'_>| {
        let run = stage.serve(&mut Hold::default(), "hold").expect("a run");
        run.records
            .iter()
            .map(|record| (record.finished.expect("an end") - record.arrival).millis())
            .collect::<Vec<_>>()
    };
    assert_eq!(took(&stage), [100.0, 200.0]);
    let measured = Trace::constant(0.8).expect("a trace");
    assert_eq!(took(&stage.at_speed(&measured)), [125.0, 125.0]);
}

#[test]
fn what_is_no_speed_is_refused_where_it_stands() {
    let refused = |speed: &str| {
        let text = format!("name = \"s\"\nduration_s = 1.0\n[trace]\nsteps = [[0.0, 1.0]]\n[speed]\n{speed}\n");
        let made = Scenario::parse(&text, "s.toml").and_then(|scenario| scenario.speed_trace());
        made.expect_err("no speed").to_string()
    };
    assert!(refused("steps = [[0.0, 2.0]]").contains("speed.steps[0][1] = 2"), "{}", refused("steps = [[0.0, 2.0]]"));
    assert!(refused("steps = [[0.0, 0.5]]").contains("map = \"raw\""));
    assert!(refused("map = \"raw\"\nsteps = [[0.0, 1.0], [0.5, 0.0]]").contains("speed = 0 at 0.5 s"));
    assert!(
        refused("map = \"raw\"").contains("speed: expected exactly one of steps, file and generate"),
        "{}",
        refused("map = \"raw\"")
    );
}

/// Forty seconds, ten looks in each, at two speeds in turn, or at one; single pieces of the gauge differ more. Without regard to that the slope is a third too
/// flat, and zero where the speed stands still.
#[test]
fn pieces_that_differ_do_not_make_powers_flatter() {
    let mut random = stream(7, "fidelity", "gauge");
    let mut power = |speeds: [f64; 2]| {
        let mut look = |i: u64| {
            let speed = speeds[(i / 10 % 2) as usize];
            let time = 1e-3 / speed.powf(0.9) * random.random_range(0.99..1.01);
            let piece = random.random_range(0.6..1.4);
            Look {
                when: Nanos(i * 100_000_000),
                rung: 0,
                changed: time,
                times: vec![time],
                gauge: 1e-4 * piece / speed,
            }
        };
        Looks((0..400).map(&mut look).collect()).powers(1)[0]
    };
    let [moved, still] = [[1.0, 1.2], [1.0, 1.0]].map(&mut power);
    assert!((0.8..1.0).contains(&moved), "{moved}");
    assert!(still > 0.6, "{still}");
}

/// Eight pieces a speed; what is left over belongs to the last one.
#[test]
fn a_speed_is_the_mean_of_some_pieces() {
    let mut speeds = Speeds::default();
    assert_eq!(speeds.trace(0.1).expect("a trace").points(), [(Nanos::ZERO, 1.0)]);
    (0..20).for_each(|i| speeds.push(Nanos(10 * i + 5), if i < 8 { 0.1 } else { 0.2 }));
    speeds.push(Nanos(3), 0.1);
    speeds.push(Nanos(500), f64::NAN);
    let trace = speeds.trace(0.1).expect("a trace");
    let rounded: Vec<(u64, f64)> = trace.points().iter().map(|(when, speed)| (when.0, (speed * 1e6).round())).collect();
    assert_eq!(rounded, [(0, 1e6), (85, 5e5)]);
    assert!(speeds.trace(0.0).is_err() && speeds.trace(f64::NAN).is_err());
}

proptest! {
    /// Times that go as a power of the speed are found to, and are spread by hardly more than that.
    #[test]
    fn the_power_is_found_and_taken_out(speeds in prop::collection::vec(0.4..1.6f64, 8..20), exponent in 0.0..1.5f64, seconds in 1e-4..1.0f64) {
        let look = |(second, &speed): (usize, &f64)| {
            let time = seconds / speed.powf(exponent);
            Look { when: Nanos(second as u64 * 1_000_000_000), rung: 0, changed: 2.0 * time, times: vec![time; 2], gauge: 1e-4 / speed }
        };
        let looks = Looks(speeds.iter().enumerate().map(look).collect());
        let powers = looks.powers(1);
        let between = exponent.min(0.75) - 1e-9..=exponent.max(0.75) + 1e-9;
        prop_assert!(between.contains(&powers[0]), "{powers:?}");
        let services = looks.services(&[exponent]).expect("services");
        let points = services[0].points();
        let (spread, measured) = (points[points.len() - 1] / points[0], (speeds.iter().copied().fold(0.0, f64::max) / speeds.iter().copied().fold(9.0, f64::min)).powf(exponent));
        prop_assert!((spread.ln() - 0.1f64.sqrt() * measured.ln()).abs() < 1e-6);
        prop_assert!(looks.changed(1)[0] > 0.0 && looks.changed(1)[0] <= seconds / 0.4f64.powf(exponent));
    }

    /// What the gauge takes after each rung is what it is measured against beside that rung, and between the two beside both.
    #[test]
    fn a_gauge_is_measured_against_what_it_takes_after_the_rungs_that_ran(gauges in prop::array::uniform2(1e-6..1e-3f64), counts in (0usize..50, 0usize..50)) {
        let look = |i: usize| Look { when: Nanos(i as u64), rung: i % 2, changed: 1.0, times: vec![1.0], gauge: gauges[i % 2] };
        let looks = Looks((0..20).map(look).collect());
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        let beside = |zero, one| looks.reference_beside(std::iter::repeat_n(0, zero).chain(std::iter::repeat_n(1, one)));
        prop_assert!(near(beside(3, 0), gauges[0]) && near(beside(0, 3), gauges[1]));
        prop_assert!(near(beside(0, 0), looks.reference()) && near(looks.reference_beside([7]), looks.reference()));
        let (zero, one) = counts;
        let part = one as f64 / (zero + one).max(1) as f64;
        let between = gauges[0].powf(1.0 - part) * gauges[1].powf(part);
        prop_assert!(zero + one == 0 || near(beside(zero, one), between));
    }

    /// Runs at a speed each tell no power, and all together do.
    #[test]
    fn runs_tell_together_what_none_tells(speeds in prop::collection::vec(0.4..1.6f64, 8..20), exponent in 0.0..1.5f64) {
        let run = |&speed: &f64| {
            let time = 1e-3 / speed.powf(exponent);
            let look = |i: u64| Look { when: Nanos(i), rung: 0, changed: time, times: vec![time], gauge: 1e-4 / speed };
            Looks((0..4).map(look).collect())
        };
        let runs: Vec<Looks> = speeds.iter().map(run).collect();
        prop_assert!(runs.iter().all(|looks| (looks.powers(1)[0] - 0.75).abs() < 1e-9));
        let together = Looks::together(&runs);
        prop_assert!(together.0.is_sorted_by_key(|look| look.when) && together.0.len() == 4 * runs.len());
        let spread = speeds.iter().copied().fold(0.0, f64::max) / speeds.iter().copied().fold(9.0, f64::min);
        prop_assert!(spread < 1.2 || (together.powers(1)[0] - exponent).abs() < 0.05, "{:?}", together.powers(1));
    }

    #[test]
    fn powers_are_from_0_to_2_whatever_was_seen(seen in prop::collection::vec((0usize..3, 1e-9..1e9f64, 1e-9..1e9f64), 0..40)) {
        let look = |(rung, gauge, time)| Look { when: Nanos::ZERO, rung, changed: time, times: vec![time], gauge };
        let powers = Looks(seen.into_iter().map(look).collect()).powers(3);
        prop_assert!(powers.iter().all(|power| (0.0..=2.0).contains(power)));
    }
}

proptest! {
    /// A gauge takes no more than its part of what the share gives, and as much where there is always room.
    #[test]
    fn a_gauge_takes_its_part_and_no_more(share in 0.02..1.0f64, cost in 10_000u64..1_000_000, part in 0.002..0.1f64, pieces in prop::collection::vec((0u64..20_000_000, any::<bool>()), 1..200)) {
        let share = trace(&[(0, share)]);
        let mut watch = Watch::new(&share, Allowance { cost: Nanos(cost), part });
        let (mut now, mut runs) = (Nanos::ZERO, 0);
        for (length, idle) in pieces {
            let length = Nanos(length);
            if idle {
                runs += watch.idle(now, length);
                watch.waited(now + length);
            } else {
                runs += watch.busy(now);
            }
            now = now + length;
        }
        let periods = now.0 / watch.period(now).0;
        prop_assert!(runs <= periods + 1, "{} runs in {} periods", runs, periods);
    }

    #[test]
    fn what_is_shrunk_lies_between_the_estimates_and_what_was_known(values in prop::collection::vec((-5.0..5.0f64, prop_oneof![Just(0.0), 1e-6..10.0f64, Just(f64::INFINITY)]), 1..12), known in -5.0..5.0f64, sure in prop_oneof![1e-3..10.0f64, Just(f64::INFINITY)]) {
        let estimates: Vec<Estimate> = values.iter().map(|&(value, variance)| Estimate { value, variance }).collect();
        let finite = estimates.iter().filter(|estimate| estimate.variance.is_finite()).map(|estimate| estimate.value);
        let all: Vec<f64> = finite.chain([known]).collect();
        let (low, high) = all.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        for drawn in shrunk(&estimates, Estimate { value: known, variance: sure }) {
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&drawn), "{drawn} of {all:?}");
        }
    }
}

/// Errors alone of 1 around 3 leave hardly a difference; without errors nothing is drawn.
#[test]
fn estimates_are_drawn_as_far_as_they_are_uncertain() {
    let unknown = Estimate { value: 0.0, variance: f64::INFINITY };
    let of = |variance| [2.5, 3.0, 3.5].map(|value| Estimate { value, variance });
    assert_eq!(shrunk(&of(1.0), unknown), [3.0; 3]);
    assert_eq!(shrunk(&of(0.0), unknown), [2.5, 3.0, 3.5]);
    assert_eq!(shrunk(&[unknown], Estimate { value: 1.0, variance: 1.0 }), [1.0]);
    assert_eq!(Estimate::mean(&[1.0, 3.0]), Estimate { value: 2.0, variance: 1.0 });
}

/// Pieces of 100 ms once a second on half of the processor: the gauge runs before each and leaves its pool less.
#[test]
fn a_gauge_beside_the_work_takes_its_time() {
    let tables = "[load]\nrate_hz = 1.0\narrivals = \"periodic\"\n[device]\nmechanism = \"quota\"\nperiod_ms = 200.0\n";
    let (scenario, ladder, half) = (scenario(3, 2.5, tables), common::fixed(0.1), trace(&[(0, 0.5)]));
    let stage = Stage::new(&scenario, &ladder, &half).expect("a stage");
    let ends = |stage: Stage<'_>| -> Vec<f64> {
        let run = stage.serve(&mut Hold::default(), "hold").expect("a run");
        run.records.iter().map(|record| record.finished.expect("an end").millis()).collect()
    };
    let wait = Timing { wait_s: 0.002, ..Timing::default() };
    assert_eq!(ends(stage.clone()), [100.0, 1100.0, 2100.0]);
    assert_eq!(ends(stage.clone().timed(&wait)), [100.0, 1202.0, 2202.0]);
    let gauged = ends(stage.gauged(Some(Allowance { cost: Nanos::from_seconds(0.001), part: 0.01 })));
    assert!(gauged[0] >= 100.0 && gauged[2] >= 2100.0, "{gauged:?}");
}
