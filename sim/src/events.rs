//! Things that happen at instants: requests that arrive, machines that come and go, outages.
use crate::error::Error;
use crate::measurements::Measurements;
use crate::trace::{End, Trace};
use crate::unit::Unit;
use std::collections::BTreeMap;
use supple_strategy::Nanos;

/// Instants, ascending and maybe equal, with what is known of each: sizes, names, durations.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    times: Vec<Nanos>,
    marks: Measurements,
}

impl Events {
    /// Events from their times, relative to any origin, and a table with one row for each.
    ///
    /// # Errors
    /// When times go back, or there are not as many rows.
    pub fn new(times: Vec<Nanos>, marks: Measurements) -> Result<Self, Error> {
        if let Some(i) = times.windows(2).position(|pair| pair[0] > pair[1]) {
            let (before, at) = (times[i].seconds(), times[i + 1].seconds());
            return Err(Error::field(format!("times[{}] = {at} s", i + 1), format!("a time not before {before} s")));
        }
        if marks.columns().iter().any(|column| column.cells.len() != times.len()) {
            return Err(Error::field("marks", format!("{} rows, one for each event", times.len())));
        }
        Ok(Self { times, marks })
    }

    /// When they happen.
    pub fn times(&self) -> &[Nanos] {
        &self.times
    }

    /// What is known of each.
    pub fn marks(&self) -> &Measurements {
        &self.marks
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// From the first to the last event.
    pub fn span(&self) -> Nanos {
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) => last.since(*first),
            _ => Nanos::ZERO,
        }
    }

    /// Standard deviation over mean of the times between events; 1 for a Poisson process. `None` for less than two events or no span.
    pub fn coefficient_of_variation(&self) -> Option<f64> {
        let gaps: Vec<f64> = self.times.windows(2).map(|pair| pair[1].since(pair[0]).seconds()).collect();
        let mean = self.span().seconds() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        (mean > 0.0).then(|| variance.sqrt() / mean)
    }

    /// What the events mean for a resource over time: machines that are there, by their marks `change` of `add` and `remove`; or the part of machines that
    /// are up, by the marks `duration` and `intensity` of outages.
    ///
    /// # Errors
    /// When they have neither marks, or would make less machines than none.
    pub fn into_trace(self) -> Result<Trace, Error> {
        match (self.marks.texts("change"), self.marks.numbers("duration"), self.marks.numbers("intensity")) {
            (Ok(changes), ..) => self.live(changes),
            (_, Ok(durations), Ok(intensities)) => self.available(durations, intensities),
            _ => Err(Error::field(
                "content",
                "traces, or events with change, or with duration and intensity, found other events",
            )),
        }
    }

    /// Machines that are there; the first event is the start.
    fn live(&self, changes: &[String]) -> Result<Trace, Error> {
        let mut alive = 0i64;
        let counts = changes.iter().map(|change| {
            alive += if change == "add" { 1 } else { -1 };
            alive as f64
        });
        let counts: Vec<f64> = counts.collect();
        self.held(Unit::Count, self.times.iter().copied().zip(counts), self.span())
    }

    /// The part of machines that are up: the worst outage of those that last counts. Before the first event all are.
    fn available(&self, durations: &[Option<f64>], intensities: &[Option<f64>]) -> Result<Trace, Error> {
        let mut edges: Vec<(Nanos, usize, bool)> = Vec::with_capacity(2 * self.len());
        for (event, (&start, duration)) in self.times.iter().zip(durations).enumerate() {
            edges.push((start, event, true));
            edges.push((start + Nanos::from_seconds(duration.unwrap_or(0.0)), event, false));
        }
        edges.sort_unstable();
        let mut down: BTreeMap<(u64, usize), f64> = BTreeMap::new();
        let changes: Vec<(Nanos, f64)> = edges
            .into_iter()
            .map(|(time, event, begins)| {
                let part = intensities[event].unwrap_or(0.0);
                match begins {
                    true => down.insert((part.to_bits(), event), part),
                    false => down.remove(&(part.to_bits(), event)),
                };
                (time, 1.0 - down.last_key_value().map_or(0.0, |(_, part)| *part))
            })
            .collect();
        let end = changes.last().map_or(Nanos::ZERO, |change| change.0);
        self.held(Unit::Share, changes.into_iter(), end)
    }

    /// Values that hold until the next; of those at one time the last counts. The last holds for a nanosecond.
    fn held(&self, unit: Unit, values: impl Iterator<Item = (Nanos, f64)>, end: Nanos) -> Result<Trace, Error> {
        let first = *self.times.first().ok_or_else(|| Error::field("events", "at least one"))?;
        let mut points: Vec<(Nanos, f64)> = Vec::new();
        for (time, value) in values {
            match points.last_mut() {
                Some(point) if point.0 == time.since(first) => point.1 = value,
                _ => points.push((time.since(first), value)),
            }
        }
        Trace::of(unit, points, end.since(first) + Nanos(1), End::Hold)
    }

    /// The same events at `factor` times the rate: each time divided by it.
    ///
    /// # Errors
    /// Unless the factor is finite and above zero.
    pub fn faster(self, factor: f64) -> Result<Self, Error> {
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::field(format!("factor = {factor}"), "a finite number above 0"));
        }
        let times = self.times.iter().map(|time| Nanos((time.0 as f64 / factor).round() as u64)).collect();
        Ok(Self { times, ..self })
    }
}
