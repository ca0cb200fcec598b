//! What the targets of traces share.
use supple_sim::format::{Content, Gaps, ReadOptions, Times};
use supple_sim::limits::Limits;
use supple_sim::formats::{ALL, read_bytes};
use supple_sim::trace::file::{events_csv, measurements_csv, trace_csv, trace_parquet};

/// Reads bytes as one format, strictly and leniently; what was read must be written and, where a format reads it, read back.
///
/// # Panics
/// When the importer breaks a promise.
pub fn read(format: &str, bytes: &[u8]) {
    let limits = Limits { bytes: 1 << 24, rows: 1 << 16, columns: 1 << 10, cells: 1 << 18 };
    for (times, gaps) in [(Times::Strict, Gaps::Refuse), (Times::Sort, Gaps::Hold), (Times::Sort, Gaps::Close)] {
        let options = ReadOptions { format: Some(format.to_string()), series: None, times, gaps, limits };
        match read_bytes("fuzz", bytes, &options) {
            Ok(noted) => {
                assert!(noted.notes.len() < 40, "{} notes", noted.notes.len());
                written(&noted.value);
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}

/// Reads bytes whose first picks the format.
pub fn read_any(bytes: &[u8]) {
    if let Some((first, rest)) = bytes.split_first() {
        read(ALL[usize::from(*first) % ALL.len()].name(), rest);
    }
}

fn written(content: &Content) {
    match content {
        Content::Traces(traces) => traces.iter().take(3).for_each(|(name, trace)| {
            let bytes = [trace_csv(trace).into_bytes(), trace_parquet(trace).unwrap_or_else(|error| panic!("{error}"))];
            for bytes in bytes {
                let again =
                    read_bytes("again", &bytes, &ReadOptions::default()).and_then(|noted| noted.value.into_trace(None));
                assert_eq!(again.as_ref().ok(), Some(trace), "{name}: {again:?}");
            }
        }),
        Content::Events(events) => drop(events_csv(events)),
        Content::Measurements(table) => drop(measurements_csv(table)),
        Content::Quantiles(all) => all.iter().for_each(|(_, quantiles)| {
            assert!(quantiles.quantile(0.25) <= quantiles.quantile(0.75));
        }),
    }
}

/// The fuzz target of one importer.
#[macro_export]
macro_rules! importer {
    ($format:literal) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::traces::read($format, bytes));
    };
}
