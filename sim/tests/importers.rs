//! Every importer: well-formed files read as they were meant, broken ones are refused in a line that names the place, and never panic.
#[path = "importers/files.rs"]
mod files;
#[path = "importers/parquet_files.rs"]
mod parquet_files;

use files::{Draw, Made};
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use supple_sim::error::ErrorKind;
use supple_sim::format::{Gaps, ReadOptions, Times};
use supple_sim::formats::{ALL, read_bytes};

/// A file and what it means, from random rows.
type Builder = fn(&[Draw]) -> Made;

const BUILDERS: &[(&str, Builder)] = &[
    ("native", files::native),
    ("host", files::host),
    ("host_raw", files::host_raw),
    ("nab", files::nab),
    ("azure_vm", files::azure_vm),
    ("azure_llm", files::azure_llm),
    ("bitbrains", files::bitbrains),
    ("opendc_fragments", parquet_files::fragments),
    ("opendc_states", parquet_files::states),
    ("opendc_tasks", parquet_files::tasks),
    ("opendc_carbon", parquet_files::carbon),
    ("opendc_failures", parquet_files::failures),
    ("bamboo_events", files::bamboo_events),
    ("bamboo_live", files::bamboo_live),
    ("bamboo_counts", files::bamboo_counts),
    ("alibaba_minibatch", files::alibaba_minibatch),
    ("alibaba_variation", files::alibaba_variation),
    ("pollux_placements", files::pollux_placements),
    ("pollux_scalability", files::pollux_scalability),
    ("pollux_validation", files::pollux_validation),
    ("pollux_workload", files::pollux_workload),
    ("zeus_power", files::zeus_power),
    ("zeus_train", files::zeus_train),
    ("zeus_profile", files::zeus_profile),
    ("acme", files::acme),
    ("mahimahi", files::mahimahi),
    ("vidur", files::vidur),
];

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let draw = (1..9u32, 0..100_000u32, 0..1000u32).prop_map(|(step, a, b)| Draw { step, a, b });
    prop::collection::vec(draw, 2..24)
}

fn options(format: &str) -> ReadOptions {
    ReadOptions { format: Some(format.to_string()), ..ReadOptions::default() }
}

#[test]
fn every_format_has_a_builder() {
    let names: Vec<&str> = BUILDERS.iter().map(|builder| builder.0).collect();
    assert_eq!(names, ALL.iter().map(|format| format.name()).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn well_formed_files_read_as_meant(draws in draws()) {
        for (format, build) in BUILDERS {
            let made = build(&draws);
            let named = read_bytes(made.name, &made.bytes, &options(format));
            let noted = named.unwrap_or_else(|error| panic!("{format}: {error}"));
            prop_assert_eq!(&noted.value, &made.content, "{}", format);
            let recognised = read_bytes(made.name, &made.bytes, &ReadOptions::default());
            let recognised = recognised.unwrap_or_else(|error| panic!("{format}: {error}"));
            prop_assert_eq!(&recognised.notes[0].text, &format!("recognised as {format}"));
            prop_assert_eq!(&recognised.value, &made.content, "{}", format);
        }
    }

    #[test]
    fn line_ends_and_marks_change_nothing(draws in draws()) {
        for (format, build) in BUILDERS {
            let made = build(&draws);
            if made.bytes.starts_with(b"PAR1") {
                continue;
            }
            let text = String::from_utf8(made.bytes.clone()).expect("text").replace('\n', "\r\n");
            let noted = read_bytes(made.name, format!("\u{feff}{text}").as_bytes(), &options(format));
            let noted = noted.unwrap_or_else(|error| panic!("{format}: {error}"));
            prop_assert_eq!(&noted.value, &made.content, "{}", format);
            prop_assert!(noted.notes.iter().any(|note| note.text.contains("byte-order mark")));
            prop_assert!(noted.notes.iter().any(|note| note.text.contains("carriage return")));
        }
    }

    #[test]
    fn broken_files_are_refused_with_their_place(
        draws in draws(),
        breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4),
    ) {
        for (format, build) in BUILDERS {
            let made = build(&draws);
            let bytes = breaks.iter().fold(made.bytes.clone(), |bytes, (place, byte, how)| broken(bytes, *place, *byte, *how));
            let lenient = ReadOptions { times: Times::Sort, gaps: Gaps::Close, ..options(format) };
            for options in [options(format), lenient] {
                let Err(error) = read_bytes(made.name, &bytes, &options) else { continue };
                prop_assert!(!error.to_string().contains('\n'), "{}: {}", format, error);
                let placed = match error.kind() {
                    ErrorKind::Text { line, column, .. } => *line > 0 && *column > 0,
                    ErrorKind::Cell { row, .. } => *row > 0,
                    _ => made.bytes.starts_with(b"PAR1") || bytes.starts_with(&[0x1f, 0x8b]),
                };
                prop_assert!(placed, "{}: {}", format, error);
            }
        }
    }
}

/// The header of the first page says, in zigzag, that its thousand numbers take 8000 bytes; it is made to say 4000.
#[test]
fn pages_that_unpack_to_more_than_they_say_are_refused() {
    let mut bytes = parquet_files::gzipped(1000);
    let read = |bytes: &[u8]| read_bytes("NL.parquet", bytes, &options("opendc_carbon"));
    assert!(read(&bytes).is_ok());
    assert_eq!(bytes[4..9], [0x15, 0x00, 0x15, 0x80, 0x7d]);
    bytes[8] = 0x3e;
    let error = read(&bytes).expect_err("a lie").to_string();
    assert_eq!(error, "column `timestamp` of the Parquet file: expected pages that unpack to what they say");
}

/// A hundred indices into a dictionary of two are one run of thirteen bytes, whose header is made a number without an end.
#[test]
fn runs_that_begin_with_a_number_without_an_end_are_refused() {
    let mut bytes = parquet_files::intensities(100, WriterProperties::default());
    let read = |bytes: &[u8]| read_bytes("NL.parquet", bytes, &options("opendc_carbon"));
    assert!(read(&bytes).is_ok());
    let run = bytes.windows(5).position(|bytes| bytes == [1, 27, 0xaa, 0xaa, 0xaa]).expect("a width, and a run");
    bytes[run + 1..][..13].fill(0xff);
    let error = read(&bytes).expect_err("a number without an end").to_string();
    assert!(error.contains("encoded as RLE_DICTIONARY, in the Parquet file: expected as many"), "{error}");
}

#[test]
fn encodings_that_are_not_read_are_named() {
    let delta = WriterProperties::builder().set_dictionary_enabled(false);
    let delta = delta.set_column_encoding("timestamp".into(), Encoding::DELTA_BINARY_PACKED);
    let bytes = parquet_files::intensities(100, delta.build());
    let error = read_bytes("NL.parquet", &bytes, &options("opendc_carbon")).expect_err("an encoding").to_string();
    assert!(error.contains("100 values, encoded as DELTA_BINARY_PACKED"), "{error}");
}

/// The same bytes with one changed, put in or taken out, or cut there.
fn broken(mut bytes: Vec<u8>, place: prop::sample::Index, byte: u8, how: u8) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let at = place.index(bytes.len());
    match how {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.remove(at)),
        _ => bytes.truncate(at),
    }
    bytes
}
