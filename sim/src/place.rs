//! Where a field stands in the text of a TOML file.
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Line and column, from 1 and in characters, of the byte `at` of `text`.
pub(crate) fn line_column(text: &str, at: usize) -> (u64, u64) {
    let before = text.get(..at.min(text.len())).unwrap_or("");
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count());
    (line as u64 + 1, column as u64 + 1)
}

/// Line and column of a field such as `trace.steps[1][0]`; what follows the path, such as ` = 3`, is not looked at. A field that is not there
/// is at the nearest table or array around it. `None` when nothing of the path is there, or the text is not TOML.
pub(crate) fn of_field(text: &str, field: &str) -> Option<(u64, u64)> {
    let root = DeTable::parse(text).ok()?;
    let mut steps = steps(field);
    let (mut span, mut value) = entry(root.get_ref(), steps.next()?)?;
    for step in steps {
        let next = match value.get_ref() {
            DeValue::Table(table) => entry(table, step),
            DeValue::Array(items) => {
                step.parse::<usize>().ok().and_then(|i| items.get(i)).map(|item| (item.span(), item))
            }
            _ => None,
        };
        match next {
            Some(found) => (span, value) = found,
            None => break,
        }
    }
    Some(line_column(text, span.start))
}

/// The names and indices of a path.
fn steps(field: &str) -> impl Iterator<Item = &str> {
    let end = field.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.[]".contains(c))).unwrap_or(field.len());
    field[..end].split(['.', '[', ']']).filter(|step| !step.is_empty())
}

/// A value of a table with the place of its key; of a table with a header of its own, the place of the header.
fn entry<'a, 'b>(table: &'a DeTable<'b>, name: &str) -> Option<(Range<usize>, &'a Spanned<DeValue<'b>>)> {
    table.get_key_value(name).map(|(key, value)| (key.span(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[trace]\nsteps = [[0.0, 1.0],\n  [2.0, 7.0]]\n[[demand.changes]]\nat_s = 1.0\n[[demand.changes]]\n  at_s = 2.0\n";

    #[test]
    fn fields_are_found_where_they_stand() {
        assert_eq!(of_field(TEXT, "a"), Some((1, 1)));
        assert_eq!(of_field(TEXT, "trace.steps[1][1] = 7"), Some((4, 9)));
        assert_eq!(of_field(TEXT, "demand.changes[1].at_s = 2"), Some((8, 3)));
    }

    #[test]
    fn what_is_missing_is_at_what_is_around_it() {
        assert_eq!(of_field(TEXT, "trace.file"), Some((2, 2)));
        assert_eq!(of_field(TEXT, "trace.steps[9]"), Some((3, 1)));
        assert_eq!(of_field(TEXT, "load"), None);
        assert_eq!(of_field("[[", "load"), None);
    }
}
