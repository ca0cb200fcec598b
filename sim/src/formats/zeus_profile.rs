//! Windows that Zeus measured at each power limit (You et al., "Zeus", NSDI 2023; <https://github.com/ml-energy/zeus>).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::measurements::{Cells, Column, Measurements};
use crate::records::{Field, Kind, Records};
use crate::unit::Unit;

/// CSV with the header `start_time,window_name,elapsed_time,gpu0_energy,...`. The power limit, in watts, stands at the end of the window's name; it
/// becomes the column `power_limit`.
#[derive(Clone, Copy, Debug)]
pub struct ZeusProfile;

const HEADER: [&str; 3] = ["start_time", "window_name", "elapsed_time"];

impl TraceFormat for ZeusProfile {
    fn name(&self) -> &'static str {
        "zeus_profile"
    }

    fn about(&self) -> &'static str {
        "Zeus: time and energy of measured windows by power limit (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.first_line().starts_with("start_time,window_name,elapsed_time,gpu")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        let names = sheet.header()?.to_vec();
        let expected = |i: usize| HEADER.get(i).map_or_else(|| format!("gpu{}_energy", i - 3), ToString::to_string);
        if let Some(i) = (0..names.len().max(4)).find(|&i| names.get(i) != Some(&expected(i))) {
            return Err(Error::text(1, i as u64 + 1, format!("expected the column `{}`", expected(i))));
        }
        let field = |(i, name): (usize, String)| match i {
            1 => Field::new(name, Unit::Number, Kind::Text),
            0 | 2 => Field::new(name, Unit::Seconds, Kind::Amount),
            _ => Field::new(name, Unit::Joules, Kind::Amount),
        };
        let mut records = Records::new(names.into_iter().enumerate().map(field).collect(), options.limits);
        let mut limits = Vec::new();
        while let Some(row) = sheet.next_row()? {
            let watts = row.text(1)?.rsplit('_').next().and_then(|watts| watts.parse::<u32>().ok());
            limits.push(Some(f64::from(watts.ok_or_else(|| row.wrong(1, "a name that ends with _WATTS"))?)));
            records.push(&row, 0)?;
        }
        let noted = records.into_content(sheet)?;
        let mut columns = noted.value.into_measurements()?.columns().to_vec();
        columns.push(Column { name: "power_limit".to_string(), unit: Unit::Watts, cells: Cells::Numbers(limits) });
        Ok(Noted { value: Content::Measurements(Measurements::new(columns)?), notes: noted.notes })
    }
}
