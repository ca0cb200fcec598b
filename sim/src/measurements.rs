//! Tables of measured amounts.
use crate::error::Error;
use crate::unit::Unit;

/// Cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers, never NaN; `None` where nothing was measured.
    Numbers(Vec<Option<f64>>),
    /// Texts.
    Texts(Vec<String>),
}

impl Cells {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(cells) => cells.len(),
            Self::Texts(cells) => cells.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text form of a cell; empty for nothing measured.
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Numbers(cells) => {
                cells.get(row).copied().flatten().map_or(String::new(), |number| number.to_string())
            }
            Self::Texts(cells) => cells.get(row).cloned().unwrap_or_default(),
        }
    }
}

/// A column with its name and unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, as in the file.
    pub name: String,
    /// Unit of its numbers.
    pub unit: Unit,
    /// What stands in it.
    pub cells: Cells,
}

/// A table of measured amounts: step times by batch and machines, power by cap, accuracy by progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    columns: Vec<Column>,
}

impl Measurements {
    /// A table from its columns.
    ///
    /// # Errors
    /// When they are of different lengths, or two have one name.
    pub fn new(columns: Vec<Column>) -> Result<Self, Error> {
        for (i, column) in columns.iter().enumerate() {
            if column.cells.len() != columns[0].cells.len() {
                let expected = format!("{} cells, as in `{}`", columns[0].cells.len(), columns[0].name);
                return Err(Error::field(format!("column `{}`", column.name), expected));
            }
            if columns[..i].iter().any(|other| other.name == column.name) {
                return Err(Error::field(format!("column `{}`", column.name), "a name that no other column has"));
            }
        }
        Ok(Self { columns })
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    /// The numbers of a column.
    ///
    /// # Errors
    /// When there is no such column of numbers; the error lists those there are.
    pub fn numbers(&self, name: &str) -> Result<&[Option<f64>], Error> {
        let found = self.columns.iter().find(|column| column.name == name).map(|column| &column.cells);
        match found {
            Some(Cells::Numbers(cells)) => Ok(cells),
            _ => Err(self.no_column(name, "numbers", |cells| matches!(cells, Cells::Numbers(_)))),
        }
    }

    /// The texts of a column.
    ///
    /// # Errors
    /// When there is no such column of texts; the error lists those there are.
    pub fn texts(&self, name: &str) -> Result<&[String], Error> {
        let found = self.columns.iter().find(|column| column.name == name).map(|column| &column.cells);
        match found {
            Some(Cells::Texts(cells)) => Ok(cells),
            _ => Err(self.no_column(name, "texts", |cells| matches!(cells, Cells::Texts(_)))),
        }
    }

    fn no_column(&self, name: &str, what: &str, fits: impl Fn(&Cells) -> bool) -> Error {
        let names = self.columns.iter().filter(|column| fits(&column.cells)).map(|column| column.name.as_str());
        Error::field(format!("column `{name}`"), format!("a column of {what}: {}", listed(names)))
    }

    /// The same table, where columns of texts that are all amounts, or empty, are columns of numbers.
    #[must_use]
    pub(crate) fn with_numbers(self) -> Self {
        let columns = self.columns.into_iter().map(|column| match &column.cells {
            Cells::Texts(texts) => match texts.iter().map(|text| amount(text)).collect::<Option<Vec<_>>>() {
                Some(cells) => Column { cells: Cells::Numbers(cells), ..column },
                None => column,
            },
            Cells::Numbers(_) => column,
        });
        Self { columns: columns.collect() }
    }

    /// The rows in another order: row `i` is the one that was at `order[i]`. Places that are no row are left out.
    #[must_use]
    pub(crate) fn ordered(&self, order: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| {
            let cells = match &column.cells {
                Cells::Numbers(cells) => Cells::Numbers(order.iter().filter_map(|i| cells.get(*i).copied()).collect()),
                Cells::Texts(cells) => Cells::Texts(order.iter().filter_map(|i| cells.get(*i).cloned()).collect()),
            };
            Column { cells, ..column.clone() }
        });
        Self { columns: columns.collect() }
    }

    /// The rows for which `keep` of their index holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        self.ordered(&(0..self.rows()).filter(|row| keep(*row)).collect::<Vec<_>>())
    }

    /// `y` as a function of `x`, from the rows where both were measured; rows with the same `x` are averaged.
    ///
    /// # Errors
    /// When one is no column of numbers, or no row has both.
    pub fn curve(&self, x: &str, y: &str) -> Result<Curve, Error> {
        let rows = self.numbers(x)?.iter().zip(self.numbers(y)?);
        let mut pairs: Vec<(f64, f64)> = rows.filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let points: Vec<(f64, f64)> = pairs.chunk_by(|a, b| a.0 == b.0).map(averaged).collect();
        if points.is_empty() {
            return Err(Error::field(format!("columns `{x}` and `{y}`"), "a row with both"));
        }
        Ok(Curve { points })
    }
}

fn amount(text: &str) -> Option<Option<f64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.parse().ok().filter(|number: &f64| *number >= 0.0).map(Some)
}

fn averaged(pairs: &[(f64, f64)]) -> (f64, f64) {
    (pairs[0].0, pairs.iter().map(|pair| pair.1).sum::<f64>() / pairs.len() as f64)
}

/// Names for an error: the first twenty, and how many more.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "there is none".to_string(),
        count if count > 20 => format!("{shown} and {} more", count - 20),
        _ => shown,
    }
}

/// A measured function: linear between its points, constant outside of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// The measured points, ascending by the argument.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 <= x);
        let before = self.points[after.saturating_sub(1)];
        match self.points.get(after) {
            Some(next) if after > 0 => before.1 + (next.1 - before.1) * ((x - before.0) / (next.0 - before.0)),
            _ => before.1,
        }
    }
}

pub(crate) fn no_such<'a>(what: &str, name: Option<&str>, names: impl Iterator<Item = &'a str>) -> Error {
    let field = name.map_or_else(|| what.to_string(), |name| format!("{what} = {name:?}"));
    Error::field(field, format!("one of {}", listed(names)))
}
