//! Well-formed Parquet files, and what they mean.
use crate::files::{Draw, Made, SECOND, column, events, numbers, one, sampled, texts, times, trace};
use parquet::basic::{Compression, GzipLevel, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::sync::Arc;
use supple_sim::Unit;
use supple_sim::format::Content;

enum Values {
    Integers(Vec<i64>),
    Doubles(Vec<f64>),
    Texts(Vec<String>),
}

/// A file of required columns, written in groups of at most ten rows.
fn parquet(columns: &[(&str, Values)]) -> Vec<u8> {
    written(columns, 10, WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build())
}

/// A file of carbon intensities that is packed by gzip, its columns in one page each.
pub fn gzipped(rows: usize) -> Vec<u8> {
    let gzip = WriterProperties::builder().set_compression(Compression::GZIP(GzipLevel::default()));
    intensities(rows, gzip.set_dictionary_enabled(false).build())
}

/// A file of carbon intensities, 0 and 1 in turn, its columns in one page each.
pub fn intensities(rows: usize, properties: WriterProperties) -> Vec<u8> {
    let stamps = (0..rows as i64).collect();
    let values = (0..rows).map(|row| (row % 2) as f64).collect();
    written(&[("timestamp", Values::Integers(stamps)), ("carbon_intensity", Values::Doubles(values))], rows, properties)
}

fn written(columns: &[(&str, Values)], most: usize, properties: WriterProperties) -> Vec<u8> {
    let field = |(name, values): &(&str, Values)| {
        let physical = match values {
            Values::Integers(_) => Physical::INT64,
            Values::Doubles(_) => Physical::DOUBLE,
            Values::Texts(_) => Physical::BYTE_ARRAY,
        };
        Arc::new(
            Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED).build().expect("a type"),
        )
    };
    let fields = columns.iter().map(field).collect();
    let schema = Arc::new(Type::group_type_builder("x").with_fields(fields).build().expect("a schema"));
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).expect("a writer");
    let rows = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    for start in (0..rows).step_by(most) {
        let end = rows.min(start + most);
        let mut group = file.next_row_group().expect("a group");
        for (_, values) in columns {
            let mut column = group.next_column().expect("a column").expect("one more");
            match values {
                Values::Integers(all) => column.typed::<Int64Type>().write_batch(&all[start..end], None, None),
                Values::Doubles(all) => column.typed::<DoubleType>().write_batch(&all[start..end], None, None),
                Values::Texts(all) => {
                    let bytes: Vec<ByteArray> = all[start..end].iter().map(|text| text.as_str().into()).collect();
                    column.typed::<ByteArrayType>().write_batch(&bytes, None, None)
                }
            }
            .expect("values");
            column.close().expect("an end");
        }
        group.close().expect("an end");
    }
    file.close().expect("an end");
    bytes
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Integers(all) => all.len(),
            Self::Doubles(all) => all.len(),
            Self::Texts(all) => all.len(),
        }
    }
}

const MILLI: u64 = 1_000_000;

fn made(name: &'static str, columns: &[(&str, Values)], content: Content) -> Made {
    Made { name, bytes: parquet(columns), content }
}

fn integers(draws: &[Draw], of: impl Fn(&Draw) -> u32) -> Values {
    Values::Integers(draws.iter().map(|draw| i64::from(of(draw))).collect())
}

fn doubles(draws: &[Draw], of: impl Fn(&Draw) -> u32) -> Values {
    Values::Doubles(draws.iter().map(|draw| f64::from(of(draw))).collect())
}

/// When each draw begins, and the end of the last, if each lasts for its own step.
fn starts(draws: &[Draw]) -> (Vec<u64>, u64) {
    let mut now = 0;
    let starts = draws.iter().map(|draw| {
        let start = now;
        now += u64::from(draw.step) * MILLI;
        start
    });
    (starts.collect(), now)
}

pub fn fragments(draws: &[Draw]) -> Made {
    let columns = [
        ("id", integers(draws, |_| 7)),
        ("duration", integers(draws, |d| d.step)),
        ("cpu_usage", doubles(draws, |d| d.a)),
    ];
    let (starts, end) = starts(draws);
    let points = starts.into_iter().zip(draws).map(|(start, draw)| (start, f64::from(draw.a))).collect();
    made("fragments.parquet", &columns, one("7", trace(Unit::Megahertz, points, end)))
}

pub fn states(draws: &[Draw]) -> Made {
    let (starts, end) = starts(draws);
    let stamps =
        starts.iter().zip(draws).map(|(start, draw)| (start / MILLI) as i64 + i64::from(draw.step) + 9).collect();
    let columns = [
        ("id", Values::Texts(vec!["vm".to_string(); draws.len()])),
        ("timestamp", Values::Integers(stamps)),
        ("duration", integers(draws, |draw| draw.step)),
        ("cpu_count", integers(draws, |_| 2)),
        ("cpu_usage", doubles(draws, |draw| draw.a)),
    ];
    let points = starts.into_iter().zip(draws).map(|(start, draw)| (start, f64::from(draw.a))).collect();
    made("main.parquet", &columns, one("vm", trace(Unit::Megahertz, points, end)))
}

/// The rows in reverse order, as their order means nothing.
pub fn tasks(draws: &[Draw]) -> Made {
    let times = times(draws, MILLI);
    let mut back = draws.to_vec();
    back.reverse();
    let submitted = times.iter().rev().map(|time| (time / MILLI) as i64 + 1_376_314_546_000).collect();
    let columns = [
        ("id", integers(&back, |draw| draw.b)),
        ("submission_time", Values::Integers(submitted)),
        ("duration", integers(&back, |draw| draw.a)),
        ("cpu_count", integers(&back, |_| 1)),
        ("cpu_capacity", doubles(&back, |draw| draw.step)),
        ("mem_capacity", integers(&back, |_| 5)),
    ];
    let marks = vec![
        texts("id", draws.iter().map(|draw| draw.b.to_string()).collect()),
        numbers("duration", Unit::Milliseconds, column(draws, |draw| f64::from(draw.a))),
        numbers("cpu_count", Unit::Count, column(draws, |_| 1.0)),
        numbers("cpu_capacity", Unit::Megahertz, column(draws, |draw| f64::from(draw.step))),
        numbers("mem_capacity", Unit::Number, column(draws, |_| 5.0)),
    ];
    made("tasks.parquet", &columns, events(times, marks))
}

pub fn carbon(draws: &[Draw]) -> Made {
    let times = times(draws, SECOND);
    let stamps = times.iter().map(|time| (time / MILLI) as i64 + 1_640_995_200_000).collect();
    let columns = [("timestamp", Values::Integers(stamps)), ("carbon_intensity", doubles(draws, |draw| draw.a))];
    let points = times.into_iter().zip(draws).map(|(time, draw)| (time, f64::from(draw.a))).collect();
    made("NL.parquet", &columns, one("carbon_intensity", sampled(Unit::CarbonIntensity, points)))
}

pub fn failures(draws: &[Draw]) -> Made {
    let columns = [
        ("failure_interval", integers(draws, |draw| draw.step)),
        ("failure_duration", integers(draws, |draw| draw.a)),
        ("failure_intensity", Values::Doubles(column(draws, |draw| f64::from(draw.b) / 1000.0))),
    ];
    let mut now = 0;
    let starts = draws.iter().map(|draw| {
        let start = now + u64::from(draw.step);
        now = start + u64::from(draw.a);
        (start - u64::from(draws[0].step)) * MILLI
    });
    let starts = starts.collect();
    let marks = vec![
        numbers("duration", Unit::Seconds, column(draws, |draw| f64::from(draw.a) / 1000.0)),
        numbers("intensity", Unit::Share, column(draws, |draw| f64::from(draw.b) / 1000.0)),
    ];
    made("outages.parquet", &columns, events(starts, marks))
}
