//! Distributions by their quantiles.
use crate::error::Error;
use crate::unit::Unit;

/// A distribution, known at some levels: linear between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    unit: Unit,
    points: Vec<(f64, f64)>,
}

impl Quantiles {
    /// A distribution from pairs of a level, 0 to 1, and the value there.
    ///
    /// # Errors
    /// Unless levels ascend strictly within 0 to 1, values are finite and never fall, and there is at least one.
    pub fn new(unit: Unit, points: Vec<(f64, f64)>) -> Result<Self, Error> {
        if points.is_empty() {
            return Err(Error::field("quantiles", "at least one"));
        }
        for (i, &(level, value)) in points.iter().enumerate() {
            let before = i.checked_sub(1).map_or((-1.0, f64::NEG_INFINITY), |before| points[before]);
            if !(0.0..=1.0).contains(&level) || level <= before.0 {
                let expected = format!("a level from 0 to 1, above {}", before.0);
                return Err(Error::field(format!("quantiles[{i}].level = {level}"), expected));
            }
            if !value.is_finite() || value < before.1 {
                let expected = format!("a finite number, not below {}", before.1);
                return Err(Error::field(format!("quantiles[{i}].value = {value}"), expected));
            }
        }
        Ok(Self { unit, points })
    }

    /// The unit of the values.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Levels and values.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The value below which the part `level` lies. For a uniform argument this is a draw from the distribution.
    pub fn quantile(&self, level: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 < level);
        interpolated(&self.points, after, level)
    }

    /// The part that lies at or below `value`.
    pub fn level(&self, value: f64) -> f64 {
        let after = self.points.partition_point(|point| point.1 <= value);
        let turned = |&(level, value): &(f64, f64)| (value, level);
        match (after.checked_sub(1), self.points.get(after)) {
            (None, _) => 0.0,
            (Some(_), None) => 1.0,
            (Some(before), Some(next)) => between(turned(&self.points[before]), turned(next), value),
        }
    }
}

fn interpolated(points: &[(f64, f64)], after: usize, x: f64) -> f64 {
    match (after.checked_sub(1), points.get(after)) {
        (Some(before), Some(&next)) => between(points[before], next, x),
        (Some(before), None) => points[before].1,
        (None, _) => points[0].1,
    }
}

fn between((x0, y0): (f64, f64), (x1, y1): (f64, f64), x: f64) -> f64 {
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
}
