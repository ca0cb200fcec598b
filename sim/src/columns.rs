//! Parquet files of plain columns.
mod pages;
mod structs;
mod thrift;
mod values;

use crate::error::Error;
use crate::limits::Limits;
use crate::measurements::no_such;
use crate::trace::Trace;
use bytes::Bytes;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;
use values::{Plain, Values};

/// A Parquet file whose columns hold one value in each row. Rows count from 1 in errors.
pub struct Columns {
    reader: SerializedFileReader<Bytes>,
    bytes: Bytes,
    rows: usize,
    limits: Limits,
}

impl Columns {
    /// Opens a file in memory.
    ///
    /// # Errors
    /// When it is not Parquet, its structure points outside of itself, or it has more rows or columns than the limits.
    pub(crate) fn open(bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        pages::check_footer(bytes)?;
        let bytes = Bytes::copy_from_slice(bytes);
        let reader = SerializedFileReader::new(bytes.clone()).map_err(broken)?;
        let metadata = reader.metadata();
        let columns = metadata.file_metadata().schema_descr().num_columns();
        if columns > limits.columns {
            return Err(Error::field(format!("{columns} columns"), format!("at most {}", limits.columns)));
        }
        let counts = metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).ok());
        let rows = counts.sum::<Option<usize>>().filter(|rows| *rows <= limits.rows);
        let rows = rows.ok_or_else(|| Error::field("rows of the Parquet file", format!("at most {}", limits.rows)))?;
        Ok(Self { reader, bytes, rows, limits })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.reader.metadata().file_metadata().schema_descr().columns().iter().map(|column| column.name())
    }

    /// The value of an entry of the file's key-value metadata.
    pub fn entry(&self, key: &str) -> Option<&str> {
        let entries = self.reader.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// A column of whole numbers, of 32 or 64 bits.
    ///
    /// # Errors
    /// When there is none with this name, it cannot be decoded, or has empty cells.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, Error> {
        let (index, column) = self.column(name)?;
        match column.physical_type() {
            Type::INT64 => self.values(index),
            Type::INT32 => Ok(self.values::<i32>(index)?.into_iter().map(i64::from).collect()),
            other => Err(wrong_type(name, "whole numbers", other)),
        }
    }

    /// A column of times, in nanoseconds. A timestamp without a unit counts as `unit` nanoseconds.
    ///
    /// # Errors
    /// As [`integers`](Self::integers), and when a time is before 1970 or too late for 64 bits.
    pub fn times(&self, name: &str, unit: i64) -> Result<Vec<i64>, Error> {
        let unit = match self.column(name)?.1.logical_type_ref() {
            Some(LogicalType::Timestamp(timestamp)) => match timestamp.unit {
                TimeUnit::MILLIS => 1_000_000,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1,
            },
            _ => unit,
        };
        let scaled = |time: i64| time.checked_mul(unit).filter(|time| *time >= 0);
        let expected = "a time from 1970 to 2262, not below 0";
        self.each(name, self.integers(name)?, scaled, expected)
    }

    /// A column of amounts: finite numbers, not below zero.
    ///
    /// # Errors
    /// When there is none with this name, it cannot be decoded, or has a cell that is no amount.
    pub fn amounts(&self, name: &str) -> Result<Vec<f64>, Error> {
        let (index, column) = self.column(name)?;
        let numbers = match column.physical_type() {
            Type::DOUBLE => self.values(index)?,
            Type::FLOAT => self.values::<f32>(index)?.into_iter().map(f64::from).collect(),
            _ => self.integers(name)?.into_iter().map(|number| number as f64).collect(),
        };
        let amount = |number: f64| (0.0..=Trace::MOST).contains(&number).then_some(number + 0.0);
        self.each(name, numbers, amount, "a finite number, not below 0")
    }

    /// A column of texts, or of whole numbers as texts.
    ///
    /// # Errors
    /// When there is none with this name, it cannot be decoded, or has a cell that is not UTF-8.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let (index, column) = self.column(name)?;
        if column.physical_type() != Type::BYTE_ARRAY {
            return Ok(self.integers(name)?.into_iter().map(|number| number.to_string()).collect());
        }
        let values: Vec<Bytes> = self.values(index)?;
        let bytes = values.iter().fold(0, |sum: usize, value| sum.saturating_add(value.len()));
        if bytes > self.limits.bytes {
            let expected = format!("at most {}", self.limits.bytes);
            return Err(Error::field(format!("{bytes} bytes in the texts of column `{name}`"), expected));
        }
        self.each(name, values, |bytes| String::from_utf8(bytes.to_vec()).ok(), "UTF-8 text")
    }

    /// The error that a cell is not as `expected`; rows count from 0 here.
    pub fn wrong(&self, row: usize, name: &str, found: &str, expected: &str) -> Error {
        Error::cell(row as u64 + 1, name, format!("`{found}`, expected {expected}"))
    }

    fn each<T: std::fmt::Debug + Clone, U>(
        &self,
        name: &str,
        values: Vec<T>,
        understood: impl Fn(T) -> Option<U>,
        expected: &str,
    ) -> Result<Vec<U>, Error> {
        let cells = values.into_iter().enumerate();
        let cell = |(row, value): (usize, T)| {
            understood(value.clone()).ok_or_else(|| self.wrong(row, name, &format!("{value:?}"), expected))
        };
        cells.map(cell).collect()
    }

    fn column(&self, name: &str) -> Result<(usize, ColumnDescPtr), Error> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        let index = columns.iter().position(|column| column.name() == name);
        let index = index.ok_or_else(|| no_such("column", Some(name), columns.iter().map(|column| column.name())))?;
        let column = columns[index].clone();
        let flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        let plain = flat && column.self_type().get_basic_info().repetition() != Repetition::REPEATED;
        if plain { Ok((index, column)) } else { Err(Error::field(format!("column `{name}`"), "one value in each row")) }
    }

    /// All values of a column.
    fn values<T: Plain>(&self, index: usize) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut room = self.limits.bytes;
        for group in 0..self.reader.num_row_groups() {
            let chunk = self.reader.metadata().row_group(group);
            let column = chunk.column(index);
            pages::check_chunk(&self.bytes, column, &mut room, self.limits.rows)?;
            let group = self.reader.get_row_group(group).map_err(broken)?;
            let mut pages = group.get_column_page_reader(index).map_err(broken)?;
            let rows = usize::try_from(chunk.num_rows()).unwrap_or(0);
            let end = all.len().saturating_add(rows);
            let mut values = Values::new(&mut all, column.column_descr().max_def_level() > 0);
            while values.found.len() < end
                && let Some(page) = pages.get_next_page().map_err(broken)?
            {
                values.take(page)?;
            }
            if all.len() != end {
                let name = column.column_path().string();
                return Err(Error::field(format!("values in column `{name}` of the Parquet file"), "as many as rows"));
            }
        }
        Ok(all)
    }
}

fn wrong_type(name: &str, expected: &str, found: Type) -> Error {
    Error::field(format!("column `{name}`"), format!("{expected}, found {found}"))
}

fn broken(error: ParquetError) -> Error {
    Error::field("Parquet", format!("a file that can be decoded ({})", error.to_string().replace('\n', " ")))
}
