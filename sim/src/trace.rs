//! A resource over time.
pub mod file;
#[cfg(feature = "full")]
pub(crate) mod parquet;
pub mod table;

use crate::error::Error;
use crate::random::{mixed, stream};
use crate::unit::Unit;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use supple_strategy::Nanos;

/// What happens at the end of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The last value holds for ever.
    #[default]
    Hold,
    /// The trace starts again.
    Loop,
    /// The run ends; work already begun is finished at the last value.
    Stop,
    /// Blocks of the trace follow each other, drawn at random, for ever.
    Bootstrap(Blocks),
}

/// Blocks of a trace that are drawn with replacement, their beginnings uniform: the moving-block bootstrap (Kunsch 1989), which keeps
/// how a value depends on the ones shortly before. Any instant is found without drawing those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    key: u64,
    block: Nanos,
}

impl Blocks {
    /// Blocks of this length, drawn from the stream of `entity` in the run with this seed.
    pub fn new(seed: u64, entity: &str, block: Nanos) -> Self {
        Self { key: stream(seed, entity, "bootstrap").random(), block }
    }

    /// Where in a trace of this length the block number `index` begins.
    fn start(self, index: u64, length: Nanos) -> Nanos {
        let room = length.since(self.block).0 + 1;
        Nanos(((u128::from(mixed(self.key.wrapping_add(index))) * u128::from(room)) >> 64) as u64)
    }
}

/// A resource over time, constant from one point to the next: the share of the machine's processor time that is ours, as a fraction, or an
/// amount in another [`Unit`]. Times are relative to the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Trace {
    points: Vec<(Nanos, f64)>,
    length: Nanos,
    end: End,
    unit: Unit,
    /// Integral of the value from the start to each point, in nanoseconds times unit.
    sums: Vec<f64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    points: Vec<(Nanos, f64)>,
    length: Nanos,
    end: End,
    #[serde(default)]
    unit: Unit,
}

/// A stretch of time that shows a stretch of the trace.
struct Window {
    /// The place in the trace.
    inside: Nanos,
    /// When the stretch ends; `None` if never.
    until: Option<Nanos>,
}

impl Trace {
    /// Largest value of a trace.
    pub const MOST: f64 = 1e30;
    /// Latest time of a trace, 292 years: what 64 bits with a sign hold, as times in Parquet are.
    pub const LATEST: Nanos = Nanos(i64::MAX as u64);

    /// The highest amount that a trace in this unit may hold, and what errors expect.
    pub(crate) fn range(unit: Unit) -> (f64, &'static str) {
        match unit {
            Unit::Share => (1.0, "a share from 0 to 1"),
            _ => (Self::MOST, "a number from 0 to 1e30"),
        }
    }

    /// A trace of shares from points (time, share from then on). `length` is when it ends; with [`End::Hold`] it changes nothing, and is
    /// the time of the last point if that is later.
    ///
    /// # Errors
    /// Unless the first point is at zero, times ascend strictly and are at most [`LATEST`](Self::LATEST), shares are from 0 to 1, and the last point is
    /// before `length` (with [`End::Hold`] it may be later).
    pub fn new(points: Vec<(Nanos, f64)>, length: Nanos, end: End) -> Result<Self, Error> {
        Self::of(Unit::Share, points, length, end)
    }

    /// The same of amounts in any unit.
    ///
    /// # Errors
    /// As [`new`](Self::new); in units other than the share, values are from 0 to [`MOST`](Self::MOST).
    pub fn of(unit: Unit, points: Vec<(Nanos, f64)>, length: Nanos, end: End) -> Result<Self, Error> {
        check(unit, &points)?;
        let last = points[points.len() - 1].0;
        check_end(last, length, end)?;
        let length = length.max(last);
        if length > Self::LATEST {
            let expected = format!("at most {}", Self::LATEST.seconds());
            return Err(Error::field(format!("trace.length = {} s", length.seconds()), expected));
        }
        let sums = integrals(&points);
        Ok(Self { points, length, end, unit, sums })
    }

    /// The same share for ever.
    ///
    /// # Errors
    /// Unless the share is from 0 to 1.
    pub fn constant(share: f64) -> Result<Self, Error> {
        Self::new(vec![(Nanos::ZERO, share)], Nanos::ZERO, End::Hold)
    }

    /// The same points with another end.
    ///
    /// # Errors
    /// When the trace has no length to loop over, stop at or draw from.
    pub fn with_end(self, end: End) -> Result<Self, Error> {
        check_end(self.points[self.points.len() - 1].0, self.length, end)?;
        Ok(Self { end, ..self })
    }

    /// The same numbers in another unit.
    ///
    /// # Errors
    /// When they are no shares, and the unit is the share.
    pub fn measured_in(self, unit: Unit) -> Result<Self, Error> {
        check(unit, &self.points)?;
        Ok(Self { unit, ..self })
    }

    /// The points: time, and value from then on.
    pub fn points(&self) -> &[(Nanos, f64)] {
        &self.points
    }

    /// When the trace ends.
    pub fn length(&self) -> Nanos {
        self.length
    }

    /// What happens then.
    pub fn end(&self) -> End {
        self.end
    }

    /// What the values are measured in.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// When the run ends by itself; `None` unless the trace ends with [`End::Stop`].
    pub fn stops_at(&self) -> Option<Nanos> {
        (self.end == End::Stop).then_some(self.length)
    }

    /// The value at time `t`.
    pub fn at(&self, t: Nanos) -> f64 {
        self.points[self.piece(self.window(t).inside)].1
    }

    /// The first time after `t` when a new piece begins; `None` when none ever does.
    pub fn next_change(&self, t: Nanos) -> Option<Nanos> {
        let Window { inside, until } = self.window(t);
        let next = self.points.get(self.piece(inside) + 1).map(|&(next, _)| t + (next - inside));
        match (next, until) {
            (Some(next), Some(until)) => Some(next.min(until)),
            (next, until) => next.or(until),
        }
    }

    /// The first time, `t` or later, when the value is above zero; `None` when it never is again. A bootstrap is searched for a hundred
    /// blocks and as many changes as the trace has.
    pub fn next_positive(&self, t: Nanos) -> Option<Nanos> {
        let mut when = t;
        for _ in 0..=self.points.len() + 100 {
            if self.at(when) > 0.0 {
                return Some(when);
            }
            when = self.next_change(when)?;
        }
        None
    }

    /// The mean value from `from` to `to`; the value at `from` when `to` is not later.
    pub fn mean(&self, from: Nanos, to: Nanos) -> f64 {
        if to <= from {
            return self.at(from);
        }
        let (mut now, mut sum) = (from, 0.0);
        if self.end == End::Loop {
            let passes = (to.0 - from.0) / self.length.0;
            sum = passes as f64 * self.inner(self.length);
            now = from + Nanos(passes * self.length.0);
        }
        while now < to {
            let Window { inside, until } = self.window(now);
            let next = until.map_or(to, |until| until.min(to));
            sum += self.inner(inside + (next - now)) - self.inner(inside);
            now = next;
        }
        sum / (to - from).0 as f64
    }

    /// Integral over the first pass through the points.
    fn inner(&self, t: Nanos) -> f64 {
        let piece = self.piece(t);
        let (since, value) = self.points[piece];
        self.sums[piece] + value * (t - since).0 as f64
    }

    fn window(&self, t: Nanos) -> Window {
        match self.end {
            End::Hold | End::Stop => Window { inside: t, until: None },
            End::Loop => {
                let inside = Nanos(t.0 % self.length.0);
                Window { inside, until: Some(t + (self.length - inside)) }
            }
            End::Bootstrap(_) if t < self.length => Window { inside: t, until: Some(self.length) },
            End::Bootstrap(blocks) => {
                let since = (t - self.length).0;
                let (index, within) = (since / blocks.block.0, Nanos(since % blocks.block.0));
                let inside = blocks.start(index, self.length) + within;
                Window { inside, until: Some(t + (blocks.block - within)) }
            }
        }
    }

    fn piece(&self, inside: Nanos) -> usize {
        self.points.partition_point(|&(since, _)| since <= inside) - 1
    }
}

fn check(unit: Unit, points: &[(Nanos, f64)]) -> Result<(), Error> {
    if points.first().is_none_or(|&(when, _)| when != Nanos::ZERO) {
        return Err(Error::field("points[0]", "a first point at time 0"));
    }
    if let Some(i) = points.windows(2).position(|pair| pair[0].0 >= pair[1].0) {
        let (before, at) = (points[i].0.seconds(), points[i + 1].0.seconds());
        return Err(Error::field(format!("points[{}].time = {at} s", i + 1), format!("a time after {before} s")));
    }
    let (most, expected) = Trace::range(unit);
    match points.iter().position(|(_, value)| !(0.0..=most).contains(value)) {
        Some(i) => Err(Error::field(format!("points[{i}].{unit} = {}", points[i].1), expected)),
        None => Ok(()),
    }
}

fn check_end(last: Nanos, length: Nanos, end: End) -> Result<(), Error> {
    if end != End::Hold && length <= last {
        let expected =
            format!("more than {}, the time of the last point, where a trace does not hold at its end", last.seconds());
        return Err(Error::field(format!("trace.length = {} s", length.seconds()), expected));
    }
    match end {
        End::Bootstrap(Blocks { block, .. }) if block == Nanos::ZERO || block > length => {
            let expected = format!("more than 0 and at most {}, the length of the trace", length.seconds());
            Err(Error::field(format!("trace.block = {} s", block.seconds()), expected))
        }
        _ => Ok(()),
    }
}

fn integrals(points: &[(Nanos, f64)]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums = vec![sum];
    for pair in points.windows(2) {
        sum += pair[0].1 * (pair[1].0 - pair[0].0).0 as f64;
        sums.push(sum);
    }
    sums
}

impl TryFrom<Parts> for Trace {
    type Error = Error;
    fn try_from(parts: Parts) -> Result<Self, Error> {
        Self::of(parts.unit, parts.points, parts.length, parts.end)
    }
}

impl From<Trace> for Parts {
    fn from(trace: Trace) -> Self {
        Self { points: trace.points, length: trace.length, end: trace.end, unit: trace.unit }
    }
}
