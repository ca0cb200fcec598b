//! Files of separated columns.
use crate::error::Error;
use crate::limits::Limits;
use crate::note::Note;
use crate::trace::Trace;
use csv::{Position, Reader, ReaderBuilder, StringRecord};

/// A text with separated columns, read row by row. Accepts a byte-order mark and either line end, and says so.
pub struct Sheet<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    header: Vec<String>,
    record: StringRecord,
    place: Place,
    rows: usize,
    limits: Limits,
    notes: Vec<Note>,
}

/// A byte of the text, and the line that it is in.
#[derive(Clone, Copy)]
struct Place {
    byte: usize,
    line: u64,
}

impl<'a> Sheet<'a> {
    /// A text whose columns `separator` separates.
    ///
    /// # Errors
    /// At the first place that is not UTF-8.
    pub(crate) fn new(bytes: &'a [u8], separator: u8, limits: Limits) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to(), separator))?;
        let unmarked = text.strip_prefix('\u{feff}');
        let mut notes = Vec::new();
        if unmarked.is_some() {
            notes.push(Note::at(1, "a byte-order mark stands before the text; it was skipped"));
        }
        let text = unmarked.unwrap_or(text);
        if text.contains("\r\n") {
            notes.push(Note::new("lines end with carriage return and line feed"));
        }
        let mut builder = ReaderBuilder::new();
        builder.flexible(true).has_headers(false).trim(csv::Trim::All).delimiter(separator);
        let reader = builder.from_reader(text.as_bytes());
        let (record, place) = (StringRecord::new(), Place { byte: 0, line: 1 });
        Ok(Self { text, reader, header: Vec::new(), record, place, rows: 0, limits, notes })
    }

    /// Reads the header.
    ///
    /// # Errors
    /// When the text is no table, or the header has too many columns.
    pub fn header(&mut self) -> Result<&[String], Error> {
        if self.next_record()? {
            if self.record.len() > self.limits.columns {
                let message = format!("{} columns; expected at most {}", self.record.len(), self.limits.columns);
                return Err(Error::text(self.place.line, self.limits.columns as u64 + 1, message));
            }
            self.header = self.record.iter().map(str::to_string).collect();
        }
        Ok(&self.header)
    }

    /// Reads the header, which must have these columns and no others.
    ///
    /// # Errors
    /// At the first column that differs.
    pub fn expect_header(&mut self, names: &[&str]) -> Result<(), Error> {
        self.header()?;
        let line = self.place.line;
        let found = |i: usize| self.header.get(i).map_or("", String::as_str);
        if let Some(i) = (0..names.len()).find(|&i| found(i) != names[i]) {
            let message = format!("expected the column `{}`, found `{}`", names[i], clipped(found(i)));
            return Err(Error::text(line, i as u64 + 1, message));
        }
        if self.header.len() > names.len() {
            let message = format!("expected {} columns, found {}", names.len(), self.header.len());
            return Err(Error::text(line, names.len() as u64 + 1, message));
        }
        Ok(())
    }

    /// For a text without a header: names for its columns.
    pub fn without_header(&mut self, names: &[&str]) {
        self.header = names.iter().map(|name| (*name).to_string()).collect();
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.header
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the text is no table, the row is longer than the header, or there are too many rows.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Error> {
        if !self.next_record()? {
            return Ok(None);
        }
        self.rows += 1;
        let (line, most) = (self.place.line, self.limits.rows);
        if self.rows > most {
            return Err(Error::text(line, 1, format!("expected at most {most} rows")));
        }
        if self.record.len() > self.header.len() {
            let message = format!("expected {} columns, found {}", self.header.len(), self.record.len());
            return Err(Error::text(line, self.header.len() as u64 + 1, message));
        }
        Ok(Some(Row { record: &self.record, names: &self.header, line }))
    }

    /// Adds a note about the file.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// What was noticed.
    pub fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    fn next_record(&mut self) -> Result<bool, Error> {
        let found = match self.reader.read_record(&mut self.record) {
            Ok(found) => found,
            Err(error) => {
                let position = error.position().cloned();
                self.move_to(position.as_ref());
                return Err(Error::text(self.place.line, 1, error.to_string()));
            }
        };
        let position = self.record.position().cloned();
        self.move_to(position.as_ref());
        Ok(found)
    }

    /// Moves to the first character, at or after a position, that ends no line.
    fn move_to(&mut self, position: Option<&Position>) {
        let bytes = self.text.as_bytes();
        let start = position.map_or(0, |position| position.byte() as usize).clamp(self.place.byte, bytes.len());
        let ends = bytes[start..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let lines = bytes[self.place.byte..start + ends].iter().filter(|byte| **byte == b'\n').count();
        self.place = Place { byte: start + ends, line: self.place.line + lines as u64 };
    }
}

fn not_utf8(bytes: &[u8], at: usize, separator: u8) -> Error {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let row = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = row.iter().filter(|byte| **byte == separator).count() as u64 + 1;
    Error::text(line, column, format!("byte {:#04x}, expected UTF-8 text", bytes.get(at).copied().unwrap_or(0)))
}

/// A text as errors quote it.
pub(crate) fn clipped(text: &str) -> String {
    let short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() { short + "..." } else { short }
}

/// One row; columns count from 0 here and from 1 in errors.
pub struct Row<'a> {
    record: &'a StringRecord,
    names: &'a [String],
    line: u64,
}

impl<'a> Row<'a> {
    /// The line that the row begins in, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.record.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.record.is_empty()
    }

    /// A field, as it stands there.
    ///
    /// # Errors
    /// When the row ends before it.
    pub fn text(&self, column: usize) -> Result<&'a str, Error> {
        self.record.get(column).ok_or_else(|| self.wrong(column, "a value (the line is cut short)"))
    }

    /// A finite number, not below zero.
    ///
    /// # Errors
    /// When there is none.
    pub fn amount(&self, column: usize) -> Result<f64, Error> {
        let number = self.text(column)?.parse::<f64>().ok().filter(|number| (0.0..=Trace::MOST).contains(number));
        number.map(|number| number + 0.0).ok_or_else(|| self.wrong(column, "a finite number, not below 0"))
    }

    /// A finite number.
    ///
    /// # Errors
    /// When there is none.
    pub fn number(&self, column: usize) -> Result<f64, Error> {
        let number = self.text(column)?.parse::<f64>().ok().filter(|number| number.abs() <= Trace::MOST);
        number.map(|number| number + 0.0).ok_or_else(|| self.wrong(column, "a finite number"))
    }

    /// A whole number, not below zero.
    ///
    /// # Errors
    /// When there is none.
    pub fn count(&self, column: usize) -> Result<f64, Error> {
        let number = self.text(column)?.parse::<u64>().ok().filter(|number| *number <= 1 << 53);
        number.map(|number| number as f64).ok_or_else(|| self.wrong(column, "a whole number, not below 0"))
    }

    /// A time, in nanoseconds, as `understand` reads it; `what` describes it in errors.
    ///
    /// # Errors
    /// When there is none.
    pub fn time(&self, column: usize, understand: fn(&str) -> Option<i64>, what: &str) -> Result<i64, Error> {
        understand(self.text(column)?).ok_or_else(|| self.wrong(column, what))
    }

    /// The error that this field is not as `expected`.
    pub fn wrong(&self, column: usize, expected: &str) -> Error {
        let found = clipped(self.record.get(column).unwrap_or(""));
        let name = clipped(self.names.get(column).map_or("", String::as_str));
        Error::text(self.line, column as u64 + 1, format!("`{name}` is `{found}`, expected {expected}"))
    }
}
