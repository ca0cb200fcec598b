//! Distributions of power, temperature and use in GPU data centres (Hu et al., "Acme", NSDI 2024), as quantiles.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::quantiles::Quantiles;
use crate::unit::Unit;

/// CSV with the header `percentile,...`: levels from 0 to 100, and in each other column the value there. The unit is a part of the column's name
/// (`_w_`, `_c_`, `_pct_`).
#[derive(Clone, Copy, Debug)]
pub struct Acme;

impl TraceFormat for Acme {
    fn name(&self) -> &'static str {
        "acme"
    }

    fn about(&self) -> &'static str {
        "Acme: distributions of GPU power, temperature and use (CSV percentile,...)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.first_line().starts_with("percentile,")
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        let names = sheet.header()?.to_vec();
        if names.first().map(String::as_str) != Some("percentile") || names.len() < 2 {
            let column = if names.first().map(String::as_str) == Some("percentile") { 2 } else { 1 };
            return Err(Error::text(1, column, "expected the column `percentile` and one of values".to_string()));
        }
        let mut columns: Vec<Vec<(f64, f64)>> = vec![Vec::new(); names.len() - 1];
        let mut above = -1.0;
        while let Some(row) = sheet.next_row()? {
            let level = row.amount(0)?;
            if level <= above || level > 100.0 {
                return Err(row.wrong(0, "a percentile, above the one before and at most 100"));
            }
            above = level;
            for (i, points) in columns.iter_mut().enumerate() {
                let value = row.amount(i + 1)?;
                if points.last().is_some_and(|point| value < point.1) {
                    return Err(row.wrong(i + 1, "a value not below the one before"));
                }
                points.push((level / 100.0, value));
            }
        }
        if above < 0.0 {
            return Err(Error::text(2, 1, "expected at least one percentile, found none"));
        }
        let named = names.into_iter().skip(1).zip(columns);
        let all = named.map(|(name, points)| Ok((name.clone(), Quantiles::new(unit(&name), points)?)));
        Ok(Noted { value: Content::Quantiles(all.collect::<Result<Vec<_>, Error>>()?), notes: sheet.into_notes() })
    }
}

fn unit(name: &str) -> Unit {
    let has = |part: &str| name.split('_').any(|word| word == part);
    match (has("w"), has("c"), has("pct")) {
        (true, ..) => Unit::Watts,
        (_, true, _) => Unit::Celsius,
        (.., true) => Unit::Percent,
        _ => Unit::Number,
    }
}
