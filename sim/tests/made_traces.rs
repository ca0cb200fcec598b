//! Generators and combinators, alone and in the table `[trace]` of a scenario.
use proptest::prelude::*;
use std::path::Path;
use supple_sim::combinator::{AtHand, Combinator};
use supple_sim::combinators::{Bootstrap, By, Clip, Combine, Cut, Overlay, Resample, Scale, Splice, Stretch};
use supple_sim::generator::Generator;
use supple_sim::generators::{Bursts, Diurnal, Generate, Markov, Sawtooth, Steps};
use supple_sim::random::stream;
use supple_sim::{End, Error, Scenario, Trace, Unit};
use supple_strategy::Nanos;

const SECOND: u64 = 1_000_000_000;

fn trace() -> impl Strategy<Value = Trace> {
    let ends = prop_oneof![Just(End::Hold), Just(End::Loop), Just(End::Stop)];
    (prop::collection::vec((1..4 * SECOND, 0..=1000u32), 1..20), ends).prop_map(|(pieces, end)| {
        let (mut now, mut points) = (0, Vec::new());
        for (length, value) in pieces {
            points.push((Nanos(now), f64::from(value)));
            now += length;
        }
        Trace::of(Unit::Number, points, Nanos(now), end).expect("a trace")
    })
}

fn made(trace: &Trace, combine: Combine<Trace>) -> Result<Trace, Error> {
    combine.apply(trace, &mut AtHand(stream(7, "trace", "combine")))
}

/// Instants at and beside all changes of two traces, within `length`.
fn instants(a: &Trace, b: &Trace, length: Nanos) -> Vec<Nanos> {
    let near = |point: &(Nanos, f64)| [Nanos(point.0.0.saturating_sub(1)), point.0, point.0 + Nanos(1)];
    a.points().iter().chain(b.points()).flat_map(near).filter(|time| *time < length).collect()
}

fn generators() -> impl Strategy<Value = Generate> {
    let (value, span) = (|| 0.0..1.0f64, || 0.01..5.0f64);
    prop_oneof![
        prop::collection::vec((value(), span()), 2..5).prop_map(|levels| {
            let (levels, mean_s) = levels.into_iter().unzip();
            Generate::Markov(Markov { levels, mean_s, next: None })
        }),
        (value(), value(), span(), span(), 0.0..0.2f64).prop_map(|(low, more, period_s, step_s, noise)| {
            let high = (low + more).min(1.0);
            Generate::Diurnal(Diurnal { low, high, period_s, step_s, peak_s: 1.0, noise })
        }),
        (value(), value(), span(), span(), prop::option::of(1.1..3.0f64)).prop_map(
            |(base, burst, gap_s, burst_s, tail)| { Generate::Bursts(Bursts { base, burst, gap_s, burst_s, tail }) }
        ),
        (value(), value(), span(), 2..9u32).prop_map(|(from, to, period_s, steps)| Generate::Sawtooth(Sawtooth {
            from,
            to,
            period_s,
            steps
        })),
        (prop::collection::vec(value(), 1..5), span(), any::<bool>())
            .prop_map(|(levels, each_s, random)| Generate::Steps(Steps { levels, each_s, random })),
    ]
}

proptest! {
    #[test]
    fn generated_points_make_a_trace_and_repeat(generate in generators(), seed: u64, length in 1..100 * SECOND) {
        let points = |seed| generate.points(Nanos(length), &mut stream(seed, "trace", "generate")).expect("points");
        prop_assert_eq!(points(seed), points(seed));
        let trace = Trace::new(points(seed), Nanos(length), End::Loop);
        prop_assert!(trace.is_ok(), "{:?}", trace);
    }

    #[test]
    fn an_overlay_is_both_at_each_instant(a in trace(), b in trace()) {
        for (by, law) in [(By::Min, f64::min as fn(f64, f64) -> f64), (By::Product, |a, b| a * b), (By::Sum, |a, b| a + b)] {
            let both = made(&a, Combine::Overlay(Overlay { by, with: b.clone() })).expect("a trace");
            prop_assert_eq!(both.length(), a.length());
            for time in instants(&a, &b, a.length()) {
                prop_assert_eq!(both.at(time), law(a.at(time), b.at(time)));
            }
        }
    }

    #[test]
    fn scaling_and_clipping_are_pointwise(a in trace(), by in 0.0..3.0f64, floor in 0.0..500.0f64) {
        let scaled = made(&a, Combine::Scale(Scale { by })).expect("a trace");
        let clipped = made(&a, Combine::Clip(Clip { floor, ceiling: 700.0 })).expect("a trace");
        for time in instants(&a, &a, a.length()) {
            prop_assert_eq!(scaled.at(time), a.at(time) * by);
            prop_assert_eq!(clipped.at(time), a.at(time).clamp(floor, 700.0));
        }
    }

    #[test]
    fn a_splice_shows_all_three_parts(a in trace(), b in trace(), at in 0.0..=1.0f64) {
        let at_s = at * a.length().seconds();
        let at = Nanos::from_seconds(at_s).min(a.length());
        let spliced = made(&a, Combine::Splice(Splice { at_s: Some(at.seconds()), with: b.clone() })).expect("a trace");
        prop_assert_eq!(spliced.length(), a.length() + b.length());
        let at = Nanos::from_seconds(at.seconds());
        for time in instants(&a, &b, a.length()) {
            if time < at { prop_assert_eq!(spliced.at(time), a.at(time)) }
            if time < b.length() { prop_assert_eq!(spliced.at(at + time), b.at(time)) }
            if time >= at { prop_assert_eq!(spliced.at(b.length() + time), a.at(time)) }
        }
    }

    #[test]
    fn cutting_and_stretching_move_time(a in trace(), from in 0.0..0.9f64) {
        let cut = made(&a, Combine::Cut(Cut { from_s: from * a.length().seconds(), to_s: None })).expect("a trace");
        let from = Nanos::from_seconds(from * a.length().seconds());
        prop_assert_eq!(cut.length(), a.length() - from);
        for time in instants(&a, &a, a.length()).into_iter().filter(|time| *time >= from) {
            prop_assert_eq!(cut.at(time - from), a.at(time));
        }
        let slow = made(&a, Combine::Stretch(Stretch { by: 2.0 })).expect("a trace");
        for time in instants(&a, &a, a.length()) {
            prop_assert_eq!(slow.at(time + time), a.at(time));
        }
    }

    #[test]
    fn resampling_keeps_the_mean(a in trace(), step in 0.01..3.0f64) {
        let resampled = made(&a, Combine::Resample(Resample { step_s: step })).expect("a trace");
        let mean = |trace: &Trace| trace.mean(Nanos::ZERO, a.length());
        prop_assert!((mean(&resampled) - mean(&a)).abs() < 1e-6 * (1.0 + mean(&a)));
    }

    #[test]
    fn a_bootstrap_has_its_length_and_the_values(a in trace(), block in 0.05..=1.0f64) {
        let block_s = block * a.length().seconds();
        let drawn = made(&a, Combine::Bootstrap(Bootstrap { block_s, length_s: Some(30.0) })).expect("a trace");
        prop_assert_eq!(drawn.length(), Nanos(30 * SECOND));
        prop_assert!(drawn.points().iter().all(|point| a.points().iter().any(|other| other.1 == point.1)));
    }
}

#[test]
fn a_markov_chain_spends_its_time_as_told() {
    let markov = Markov { levels: vec![1.0, 0.25], mean_s: vec![3.0, 1.0], next: None };
    let points = markov.points(Nanos(20_000 * SECOND), &mut stream(3, "trace", "generate")).expect("points");
    let trace = Trace::new(points, Nanos(20_000 * SECOND), End::Hold).expect("a trace");
    let mean = trace.mean(Nanos::ZERO, trace.length());
    assert!((mean - (0.75 + 0.25 * 0.25)).abs() < 0.02, "{mean}");
}

fn scenario(table: &str) -> Result<Trace, Error> {
    let text = format!("name = \"x\"\nseed = 5\nduration_s = 20.0\n[trace]\n{table}\n");
    Scenario::parse(&text, Path::new("s.toml"))?.trace()
}

#[test]
fn scenarios_generate_and_combine() {
    let trace = scenario(
        "generate = { diurnal = { low = 0.2, high = 1.0, period_s = 10.0, step_s = 0.5, noise = 0.05 } }\n\
         end = \"bootstrap\"\nblock_s = 2.0\n\
         [[trace.then]]\noverlay = { by = \"min\", with = { steps = [[0.0, 1.0], [5.0, 0.1], [6.0, 1.0]] } }\n\
         [[trace.then]]\nscale = { by = 3.0 }\n[[trace.then]]\nclip = { floor = 0.0, ceiling = 0.9 }\n",
    )
    .expect("a trace");
    assert_eq!(trace.unit(), Unit::Share);
    assert!((trace.at(Nanos(5 * SECOND)) - 0.3).abs() < 1e-9 && trace.at(Nanos::ZERO) == 0.9);
    assert!(matches!(trace.end(), End::Bootstrap(_)) && trace.length() == Nanos(20 * SECOND));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let cases = [
        (
            "generate = { steps = { levels = [0.5], each_s = 0.0 } }",
            "trace.steps.each_s = 0: expected a finite number, at least",
        ),
        (
            "generate = { steps = { levels = [2.0], each_s = 1.0 } }",
            "value 2 of sample 0: expected a share from 0 to 1",
        ),
        (
            "generate = { markov = { levels = [1.0, 0.0], mean_s = [1.0] } }",
            "trace.markov: expected at least two levels",
        ),
        (
            "generate = { sawtooth = { from = 0.0, to = 1.0, period_s = 1.0, steps = 1 } }",
            "sawtooth.steps = 1: expected at least 2",
        ),
        (
            "steps = [[0.0, 1.0]]\nend = \"bootstrap\"",
            "trace.block_s: expected a number if and only if end = \"bootstrap\"",
        ),
        ("steps = [[0.0, 1.0]]\nof = 3.0", "trace.of: expected a number if and only if map = \"part\""),
        (
            "steps = [[0.0, 1.0]]\nmap = \"raw\"\nunit = \"B/s\"",
            "trace.map = \"raw\", in B/s: expected a share of the processor",
        ),
        (
            "steps = [[0.0, 0.9]]\nthen = [{ scale = { by = -1.0 } }]",
            "scale.by = -1: expected a finite number, not below 0",
        ),
        (
            "steps = [[0.0, 0.9]]\nthen = [{ cut = { from_s = 30.0 } }]",
            "cut.from_s = 30: expected a number from 0, below 20",
        ),
        ("steps = [[0.0, 0.9]]\nthen = [{ splice = { with = { steps = [] } } }]", "trace.steps: expected at least one"),
        ("steps = [[0.0, 0.9]]\nthen = [{ shear = { by = 2.0 } }]", "unknown variant `shear`"),
        ("steps = [[0.0, 0.9]]\nthen = [{ scale = { to = 2.0 } }]", "unknown field `to`"),
        (
            "steps = [[0.0, 0.9]]\nthen = [{ resample = { step_s = 1e-9 } }]",
            "resample.step_s = 0.000000001: expected at most",
        ),
    ];
    for (table, expected) in cases {
        let error = scenario(table).expect_err(table).to_string();
        assert!(error.starts_with("s.toml: ") && error.contains(expected), "{error}\nshould contain\n{expected}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn the_shipped_recording_is_a_share() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let table = "file = \"host.csv\"\nseries = \"steal_pct\"\nmap = \"free\"\nend = \"bootstrap\"\nblock_s = 10.0";
    let text = format!("name = \"x\"\nduration_s = 300.0\n[trace]\n{table}\n");
    let trace = Scenario::parse(&text, "s.toml")
        .and_then(|scenario| scenario.with_files_in(Some(&folder)).trace())
        .expect("a trace");
    assert_eq!((trace.points().len(), trace.length().seconds()), (120, 120.0));
    let mean = trace.mean(Nanos::ZERO, Nanos(1000 * SECOND));
    assert!((0.9..1.0).contains(&mean), "{mean}");
}
