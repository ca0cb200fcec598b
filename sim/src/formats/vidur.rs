//! Measured times of operators, as Vidur keeps them (Agrawal et al., MLSys 2024; <https://github.com/microsoft/vidur>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::records::{Field, Kind, Records};
use crate::unit::Unit;

/// CSV with a header that has columns `time_stats.OPERATOR.STATISTIC`, in milliseconds and maybe empty, and at least one of `num_tokens`, `batch_size` and
/// `size`, which say what was measured. All other columns are kept as they are; a column without a name, the number of the row, is left out.
#[derive(Clone, Copy, Debug)]
pub struct Vidur;

const TIMES: &str = "time_stats.";
const SIZES: [&str; 3] = ["num_tokens", "batch_size", "size"];

impl TraceFormat for Vidur {
    fn name(&self) -> &'static str {
        "vidur"
    }

    fn about(&self) -> &'static str {
        "Vidur: times of operators by batch and size (CSV with time_stats.* columns)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        let names: Vec<&str> = source.first_line().split(',').collect();
        names.iter().any(|name| name.starts_with(TIMES)) && names.iter().any(|name| SIZES.contains(name))
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        let names = sheet.header()?.to_vec();
        let unnamed = usize::from(names.first().is_some_and(String::is_empty));
        if !names.iter().any(|name| name.starts_with(TIMES)) {
            return Err(Error::text(1, names.len() as u64 + 1, format!("expected a column `{TIMES}...`")));
        }
        if !names.iter().any(|name| SIZES.contains(&name.as_str())) {
            return Err(Error::text(1, names.len() as u64 + 1, format!("expected a column {}", SIZES.join(", "))));
        }
        let mut records = Records::new(names.into_iter().skip(unnamed).map(field).collect(), options.limits);
        while let Some(row) = sheet.next_row()? {
            records.push(&row, unnamed)?;
        }
        let noted = records.into_content(sheet)?;
        let table = noted.value.into_measurements()?.with_numbers();
        Ok(Noted { value: Content::Measurements(table), notes: noted.notes })
    }
}

fn field(name: String) -> Field {
    match (name.starts_with(TIMES), SIZES.contains(&name.as_str())) {
        (true, _) => Field::new(name, Unit::Milliseconds, Kind::MaybeAmount),
        (_, true) => Field::new(name, Unit::Count, Kind::Count),
        _ => Field::new(name, Unit::Number, Kind::Text),
    }
}
