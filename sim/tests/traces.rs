//! Traces and Supple's own format.
use proptest::prelude::*;
use supple_sim::Noted;
use supple_sim::format::{Content, Gaps, ReadOptions};
use supple_sim::formats::{by_name, read_bytes};
use supple_sim::limits::Limits;
use supple_sim::trace::Blocks;
use supple_sim::trace::file::{events_csv, trace_csv, trace_parquet};
use supple_sim::{End, Error, Source, Trace, TraceFormat, Unit};
use supple_strategy::Nanos;

fn end(length: u64) -> impl Strategy<Value = End> {
    let blocks = (any::<u64>(), 1..=length).prop_map(|(seed, block)| Blocks::new(seed, "trace", Nanos(block)));
    prop_oneof![Just(End::Hold), Just(End::Loop), Just(End::Stop), blocks.prop_map(End::Bootstrap)]
}

fn trace() -> impl Strategy<Value = Trace> {
    let pieces = prop::collection::vec((1..5_000_000_000u64, 0..=1000u32), 1..40);
    let made = pieces.prop_flat_map(|pieces| {
        let mut now = 0;
        let mut points = Vec::new();
        for (length, share) in pieces {
            points.push((Nanos(now), f64::from(share) / 1000.0));
            now += length;
        }
        (Just(points), Just(now), end(now))
    });
    made.prop_map(|(points, length, end)| Trace::new(points, Nanos(length), end).expect("a trace"))
}

fn file(format: &str, bytes: &[u8]) -> Result<Noted<Content>, Error> {
    read_bytes("t", bytes, &ReadOptions { format: Some(format.to_string()), ..ReadOptions::default() })
}

fn native(bytes: &[u8]) -> Trace {
    file("native", bytes).and_then(|noted| noted.value.into_trace(None)).expect("a trace")
}

proptest! {
    #[test]
    fn native_files_read_back(trace in trace(), unit in 0..Unit::ALL.len(), length in 0..400_000_000_000u64, crlf: bool, mark: bool) {
        let trace = Trace::of(Unit::ALL[unit], trace.points().to_vec(), Nanos(length), End::Hold).expect("a trace");
        let text = trace_csv(&trace);
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = format!("{}{text}", if mark { "\u{feff}" } else { "" });
        let noted = file("native", text.as_bytes()).expect("a file");
        prop_assert_eq!(noted.notes.len(), usize::from(crlf) + usize::from(mark));
        prop_assert_eq!(&noted.value.into_trace(None).expect("a trace"), &trace);
        prop_assert_eq!(native(&trace_parquet(&trace).expect("bytes")), trace);
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
    fn a_bootstrap_shows_pieces_of_the_trace(trace in trace(), seed: u64, block in 1..1000u64, t in 0..1_000_000_000_000u64) {
        let block = Nanos(trace.length().0 * block / 1000 + 1).min(trace.length());
        let random = trace.clone().with_end(End::Bootstrap(Blocks::new(seed, "x", block))).expect("a trace");
        prop_assert!(trace.points().iter().any(|point| point.1 == random.at(Nanos(t))));
        if Nanos(t) < trace.length() {
            prop_assert_eq!(random.at(Nanos(t)), trace.at(Nanos(t)));
        }
    }
}

#[test]
fn a_bootstrap_keeps_the_mean() {
    let points = (0..100u64).map(|i| (Nanos(i * 1_000_000), (i % 10) as f64 / 10.0)).collect();
    let blocks = Blocks::new(7, "trace", Nanos(7_000_000));
    let trace = Trace::new(points, Nanos(100_000_000), End::Bootstrap(blocks)).expect("a trace");
    let mean = trace.mean(Nanos(100_000_000), Nanos(100_000_000_000));
    assert!((mean - 0.45).abs() < 0.01, "{mean}");
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
    let blocks = End::Bootstrap(Blocks::new(1, "trace", Nanos(10)));
    assert!(error(&[(0, 0.5)], 9, blocks).starts_with("trace.block = 0.00000001 s: expected more than 0 and at most"));
    assert!(error(&[(0, 0.5)], 0, End::Loop).starts_with("trace.length = 0 s: expected more than 0"));
}

#[test]
fn nab_times_are_relative_to_the_first() {
    let text = "timestamp,value\n2014-02-28 23:55:00,51.8\n2014-03-01 00:00:00,44.5\n";
    let trace = file("nab", text.as_bytes()).and_then(|noted| noted.value.into_trace(None)).expect("a trace");
    assert_eq!(trace.points(), [(Nanos(0), 51.8), (Nanos(300_000_000_000), 44.5)]);
    assert_eq!(trace.length(), Nanos(600_000_000_000));
}

#[test]
fn bad_files_are_refused_by_line_and_column() {
    let late = "expected a time after the one before (or times = \"sort\": sorted, the last of equal ones counts)";
    let amount = "expected a finite number, not below 0";
    let cases = [
        ("native", "", "line 1, column 1: expected the column `seconds`, found ``".to_string()),
        ("native", "\"avr\n0", "line 1, column 1: expected the column `seconds`, found `avr\\n0`".into()),
        ("native", "seconds,share\n", "line 2, column 1: expected at least one sample, found none".into()),
        ("native", "seconds,share\n0,1\n2,1\n1,1\n", format!("line 4, column 1: the time goes back (by 1 s), {late}")),
        ("native", "seconds,share\n0,1\n0,1\n", format!("line 3, column 1: the time stays (by 0 s), {late}")),
        (
            "native",
            "seconds,share\r\n0,1\r\nNaN,1\r\n",
            "line 3, column 1: `seconds` is `NaN`, expected a number of seconds".into(),
        ),
        ("native", "seconds,share\n-1,1\n", "line 2, column 1: `seconds` is `-1`, expected a number of seconds".into()),
        ("native", "seconds,share\n0,1\n1,NaN\n", format!("line 3, column 2: `share` is `NaN`, {amount}")),
        ("native", "seconds,share\n0,-0.5\n", format!("line 2, column 2: `share` is `-0.5`, {amount}")),
        (
            "native",
            "seconds,share\n0,1\n1,1.5\n",
            "line 3, column 2: `share` is `1.5`, expected a share from 0 to 1".into(),
        ),
        (
            "native",
            "seconds,share\n0,1\n5,1\n3,end\n",
            "line 4, column 1: `seconds` is `3`, expected a time not before the last sample".into(),
        ),
        (
            "native",
            "seconds,share\n0,1\n5",
            "line 3, column 2: `share` is ``, expected a value (the line is cut short)".into(),
        ),
        ("native", "seconds,share\n0,1,2\n", "line 2, column 3: expected 2 columns, found 3".into()),
        ("native", "seconds,share\n0,1\n\n\n0,1\n", format!("line 5, column 1: the time stays (by 0 s), {late}")),
        (
            "native",
            "seconds,share\n0,1\n2,end\n3,1\n",
            "line 4, column 1: `seconds` is `3`, expected nothing after the line that says when the trace ends".into(),
        ),
        ("nab", "time,value\n", "line 1, column 1: expected the column `timestamp`, found `time`".into()),
        (
            "nab",
            "timestamp,value\n2014-02-14 14:2",
            "line 2, column 1: `timestamp` is `2014-02-14 14:2`, expected a time YYYY-mm-dd HH:MM:SS".into(),
        ),
        (
            "nab",
            "timestamp,value\n2014-02-14 14:27:00",
            "line 2, column 2: `value` is ``, expected a value (the line is cut short)".into(),
        ),
        ("nab", "timestamp,value\n2014-02-14 00:00:00,inf\n", format!("line 2, column 2: `value` is `inf`, {amount}")),
    ];
    for (format, text, expected) in cases {
        assert_eq!(file(format, text.as_bytes()).expect_err(text).to_string(), expected, "{text:?}");
    }
    let error = file("native", b"seconds,furlongs\n0,1\n").expect_err("an unknown unit").to_string();
    assert!(
        error.starts_with("line 1, column 2: expected the column `share`, or another unit of share, percent"),
        "{error}"
    );
    let error = file("nab", b"timestamp,value\n2014-02-14 00:00:00,\xff\n").expect_err("no UTF-8").to_string();
    assert_eq!(error, "line 2, column 2: byte 0xff, expected UTF-8 text");
}

#[test]
fn what_is_clear_is_accepted_and_said() {
    let plain = "seconds,share\n0,1\n5,0.5\n";
    let marked = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    let notes: Vec<String> =
        file("native", marked.as_bytes()).expect("a file").notes.iter().map(ToString::to_string).collect();
    let expected = [
        "line 1: a byte-order mark stands before the text; it was skipped",
        "lines end with carriage return and line feed",
    ];
    assert_eq!(notes, expected);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, plain.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let noted = read_bytes("t.csv.gz", &packed, &ReadOptions::default()).expect("a file");
    let notes: Vec<String> = noted.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes, ["recognised as native", "compressed by gzip"]);
    assert_eq!(noted.value.into_trace(None).expect("a trace"), native(plain.as_bytes()));
}

#[test]
fn a_hole_that_is_held_is_said() {
    let text =
        "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:05:00,2\n2014-01-01 00:10:00,2\n2014-01-01 09:05:00,3\n";
    let options = ReadOptions { gaps: Gaps::Hold, ..ReadOptions::default() };
    let noted = read_bytes("x.csv", text.as_bytes(), &options).expect("a file");
    let said = noted.notes.iter().any(|note| note.to_string().contains("the longest 32100 s; the value before holds"));
    assert!(said, "{:?}", noted.notes);
}

#[test]
fn a_file_that_would_take_all_memory_is_refused() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![b'0'; 1 << 20]).expect("memory");
    let packed = packed.finish().expect("memory");
    let limits = Limits { bytes: 1 << 16, rows: 3, columns: 4, cells: 3 };
    let options = ReadOptions { limits, format: Some("native".to_string()), ..ReadOptions::default() };
    let error = read_bytes("t", &packed, &options).expect_err("too long").to_string();
    assert_eq!(error, "gzip: expected at most 65536 bytes when unpacked");
    let error = read_bytes("t", b"seconds,share\n0,1\n1,1\n2,1\n3,1\n", &options).expect_err("too long").to_string();
    assert_eq!(error, "line 5, column 1: expected at most 3 rows");
}

#[test]
fn a_trace_may_end_at_its_last_sample() {
    let trace = native(b"seconds,share\n0,1\n2,0.5\n2,end\n");
    assert_eq!(trace.length(), Nanos(2_000_000_000));
    assert_eq!(native(trace_csv(&trace).as_bytes()), trace);
}

#[test]
fn what_parquet_could_not_hold_is_no_trace() {
    let text = "timestamp,value\n2014-02-28 23:55:00,51.8\n2216-03-01 00:00:00,44.5\n";
    let error = file("nab", text.as_bytes()).expect_err("too long").to_string();
    assert!(
        error.starts_with("line 3, column 1: the trace lasts 12749011800 s, expected at most 9223372036.85"),
        "{error}"
    );
    let late = vec![(Nanos::ZERO, 0.5), (Nanos(Trace::LATEST.0 + 1), 1.0)];
    let error = Trace::new(late, Nanos::ZERO, End::Hold).expect_err("too long").to_string();
    assert!(error.starts_with("trace.length = 9223372036.85"), "{error}");
}

/// A list of two thousand million booleans, which would take no bytes.
#[test]
fn a_footer_with_more_things_than_bytes_is_refused() {
    let footer = [0xf9, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
    let bytes = [&b"PAR1"[..], &footer, &[footer.len() as u8, 0, 0, 0], b"PAR1"].concat();
    let error = file("opendc_fragments", &bytes).expect_err("no footer").to_string();
    assert_eq!(error, "the footer of the Parquet file: expected whole structs, and lists no longer than it");
}

#[test]
fn a_format_is_recognised_or_asked_for() {
    let read = |name: &str, text: &str| read_bytes(name, text.as_bytes(), &ReadOptions::default());
    assert_eq!(
        read("x", "timestamp,value\n2014-01-01 00:00:00,1\n").expect("a file").notes[0].text,
        "recognised as nab"
    );
    let error = read("x", "1\n2\n3\n").expect_err("unknown").to_string();
    assert!(
        error.starts_with("format: not known by the file's name or its beginning, `")
            && error.contains("`: expected one of native, host"),
        "{error}"
    );
}

#[test]
fn a_named_function_is_a_format() {
    let read = |source: &Source<'_>, _: &ReadOptions| -> Result<Noted<Content>, Error> {
        let trace = Trace::of(Unit::Bytes, vec![(Nanos(0), source.bytes.len() as f64)], Nanos(1), End::Hold)?;
        Ok(Noted { value: Content::Traces(vec![("length".to_string(), trace)]), notes: Vec::new() })
    };
    let format = ("length", read);
    let source = Source { name: "x", bytes: b"abc" };
    let trace = format.read(&source, &ReadOptions::default()).and_then(|noted| noted.value.into_trace(Some("length")));
    assert_eq!((format.name(), trace.expect("a trace").at(Nanos(5))), ("length", 3.0));
}

#[test]
fn an_unknown_format_is_refused_with_those_known() {
    let error = by_name("xml").err().expect("no such format").to_string();
    assert!(error.starts_with("format = \"xml\": expected one of native, host, host_raw, nab, azure_vm"), "{error}");
}

#[test]
fn events_read_back() {
    let text = "arrival_s,tokens,name\n0,10,\"a,b\"\n0.000000001,20,c\n0.000000001,30,\"d\"\"e\"\n";
    let events = file("native", text.as_bytes()).and_then(|noted| noted.value.into_events()).expect("events");
    assert_eq!(events.marks().texts("name").expect("names"), ["a,b", "c", "d\"e"]);
    assert_eq!(events.marks().numbers("tokens").expect("numbers"), [Some(10.0), Some(20.0), Some(30.0)]);
    assert_eq!(events_csv(&events), text);
}
