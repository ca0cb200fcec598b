//! What a reader of a file should know of it.
use crate::error::one_line;
use std::fmt;

/// Something about a file that its reader should know: what was accepted, and how it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line of a text, the row of a Parquet file, from 1; `None` for the whole file.
    pub line: Option<u64>,
    /// What was noticed.
    pub text: String,
}

impl Note {
    /// A note about the whole file.
    pub fn new(text: impl Into<String>) -> Self {
        Self { line: None, text: text.into() }
    }

    /// A note about a line, or about that and others.
    pub fn at(line: u64, text: impl Into<String>) -> Self {
        Self { line: Some(line), text: text.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.line.map_or(String::new(), |line| format!("line {line}: "));
        one_line(f, &format!("{place}{}", self.text))
    }
}

/// A value, and what was noticed on the way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted<T> {
    /// The value.
    pub value: T,
    /// What was noticed.
    pub notes: Vec<Note>,
}
