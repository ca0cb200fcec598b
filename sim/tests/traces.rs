//! Traces and their file formats.
use proptest::prelude::*;
use supple_sim::formats::{ALL, Nab, Native, by_name};
use supple_sim::{End, Error, Trace, TraceFormat};
use supple_strategy::Nanos;

fn samples() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((1..5000u32, 0..=1000u32), 1..40).prop_map(|steps| {
        let mut now = 0;
        let sample = |(step, share): (u32, u32)| {
            let sample = (f64::from(now) / 8.0, f64::from(share) / 1000.0);
            now += step;
            sample
        };
        steps.into_iter().map(sample).collect()
    })
}

fn trace() -> impl Strategy<Value = Trace> {
    let end = prop_oneof![Just(End::Hold), Just(End::Loop), Just(End::Stop)];
    (samples(), end).prop_map(|(samples, end)| {
        let points: Vec<_> =
            samples.into_iter().map(|(seconds, share)| (Nanos::from_seconds(seconds), share)).collect();
        let length = points[points.len() - 1].0 + Nanos(1_000_000_000);
        Trace::new(points, length, end).expect("a trace")
    })
}

proptest! {
    #[test]
    fn native_files_read_back(samples in samples(), crlf: bool, mark: bool) {
        let end = if crlf { "\r\n" } else { "\n" };
        let lines: String = samples.iter().map(|(seconds, share)| format!("{seconds},{share}{end}")).collect();
        let text = format!("{}seconds,share{end}{lines}", if mark { "\u{feff}" } else { "" });
        prop_assert_eq!(Native.read(&text).expect("samples"), samples);
    }

    #[test]
    fn traces_read_back_from_json(trace in trace()) {
        let json = serde_json::to_string(&trace).expect("json");
        prop_assert_eq!(serde_json::from_str::<Trace>(&json).expect("a trace"), trace);
    }

    #[test]
    fn the_share_is_constant_up_to_the_next_change(trace in trace(), t in 0..400_000_000_000u64) {
        let t = Nanos(t);
        match trace.next_change(t) {
            Some(next) => {
                prop_assert!(next > t);
                prop_assert_eq!(trace.at(Nanos(next.0 - 1)), trace.at(t));
            }
            None => prop_assert_eq!(trace.at(Nanos::MAX), trace.at(t)),
        }
    }

    #[test]
    fn the_mean_is_the_weighted_sum_of_the_pieces(trace in trace(), from in 0..900_000_000_000u64, span in 1..900_000_000_000u64) {
        let (from, to) = (Nanos(from), Nanos(from + span));
        let (mut now, mut sum) = (from, 0.0);
        while now < to {
            let next = trace.next_change(now).unwrap_or(to).min(to);
            sum += trace.at(now) * (next - now).0 as f64;
            now = next;
        }
        prop_assert!((trace.mean(from, to) - sum / span as f64).abs() < 1e-6);
    }

    #[test]
    fn no_text_makes_a_format_panic(text in "(seconds,share|timestamp,value)?[\n\r,0-9: .eE\"-]{0,60}") {
        for format in ALL {
            let _ = format.read(&text);
        }
    }
}

#[test]
fn a_looping_trace_begins_again() {
    let trace = Trace::new(vec![(Nanos(0), 1.0), (Nanos(3), 0.5)], Nanos(5), End::Loop).expect("a trace");
    let shares: Vec<f64> = (0..11).map(|t| trace.at(Nanos(t))).collect();
    assert_eq!(shares, [1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0]);
    assert_eq!(trace.next_change(Nanos(3)), Some(Nanos(5)));
    assert_eq!(trace.next_change(Nanos(7)), Some(Nanos(8)));
    assert_eq!(trace.next_positive(Nanos(7)), Some(Nanos(7)));
}

#[test]
fn what_is_no_trace_is_refused() {
    let error = |points: &[(u64, f64)], length, end| {
        let points = points.iter().map(|&(t, share)| (Nanos(t), share)).collect();
        Trace::new(points, Nanos(length), end).expect_err("no trace").to_string()
    };
    assert_eq!(error(&[], 1, End::Hold), "points[0]: expected a first point at time 0");
    assert_eq!(error(&[(1, 0.5)], 9, End::Hold), "points[0]: expected a first point at time 0");
    assert_eq!(error(&[(0, 0.5), (0, 0.7)], 9, End::Hold), "points[1].time = 0 s: expected a time after 0 s");
    assert_eq!(error(&[(0, f64::NAN)], 9, End::Hold), "points[0].share = NaN: expected a share from 0 to 1");
    assert_eq!(error(&[(0, 1.5)], 9, End::Hold), "points[0].share = 1.5: expected a share from 0 to 1");
    assert!(error(&[(0, 0.5)], 0, End::Loop).starts_with("trace.length = 0 s: expected more than 0"));
}

#[test]
fn nab_times_are_relative_to_the_first() {
    let text = "timestamp,value\n2014-02-28 23:55:00,51.8\n2014-03-01 00:00:00,44.5\n";
    assert_eq!(Nab.read(text).expect("samples"), [(0.0, 51.8), (300.0, 44.5)]);
}

#[test]
fn bad_files_are_refused_by_line_and_column() {
    let nab = "a time YYYY-mm-dd HH:MM:SS, later than on the line before";
    let native = "a number of seconds, later than on the line before";
    let cases = [
        ("native", "", "line 1, column 1: expected the column `seconds`, found ``".to_string()),
        ("native", "seconds\n0\n", "line 1, column 2: expected the column `share`, found ``".into()),
        ("native", "seconds,share\n", "line 2, column 1: expected at least one sample, found none".into()),
        ("native", "seconds,share\n0,1\n2,1\n1,1\n", format!("line 4, column 1: `seconds` is `1`, expected {native}")),
        (
            "native",
            "seconds,share\r\n0,1\r\nNaN,1\r\n",
            format!("line 3, column 1: `seconds` is `NaN`, expected {native}"),
        ),
        (
            "native",
            "seconds,share\n0,1\n1,NaN\n",
            "line 3, column 2: `share` is `NaN`, expected a finite number, not below 0".into(),
        ),
        (
            "native",
            "seconds,share\n0,-0.5\n",
            "line 2, column 2: `share` is `-0.5`, expected a finite number, not below 0".into(),
        ),
        (
            "native",
            "seconds,share\n0,1\n5",
            "line 3, column 2: `share` is ``, expected a value (the line is cut short)".into(),
        ),
        ("native", "seconds,share\n0,1,2\n", "line 2, column 3: expected 2 columns, found 3".into()),
        ("nab", "time,value\n", "line 1, column 1: expected the column `timestamp`, found `time`".into()),
        (
            "nab",
            "timestamp,value\n2014-02-14 14:2",
            format!("line 2, column 1: `timestamp` is `2014-02-14 14:2`, expected {nab}"),
        ),
        (
            "nab",
            "timestamp,value\n2014-02-14 14:27:00",
            "line 2, column 2: `value` is ``, expected a value (the line is cut short)".into(),
        ),
        ("native", "seconds,share\n0,1\n\n\n0,1\n", format!("line 5, column 1: `seconds` is `0`, expected {native}")),
        (
            "nab",
            "timestamp,value\n2014-02-31 00:00:00,1\n",
            format!("line 2, column 1: `timestamp` is `2014-02-31 00:00:00`, expected {nab}"),
        ),
        (
            "nab",
            "timestamp,value\n2014-02-14 00:00:00,inf\n",
            "line 2, column 2: `value` is `inf`, expected a finite number, not below 0".into(),
        ),
    ];
    for (format, text, expected) in cases {
        let error = by_name(format).and_then(|format| format.read(text)).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text:?}");
    }
}

#[test]
fn a_named_function_is_a_format() {
    let read = |text: &str| -> Result<Vec<(f64, f64)>, Error> { Ok(vec![(0.0, text.len() as f64)]) };
    let format = ("length", read);
    assert_eq!((format.name(), format.read("abc").expect("samples")), ("length", vec![(0.0, 3.0)]));
}

#[test]
fn an_unknown_format_is_refused_with_those_known() {
    let error = by_name("xml").err().expect("no such format").to_string();
    assert_eq!(error, "trace.format = \"xml\": expected one of native, nab");
}
