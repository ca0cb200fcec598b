//! How fast a machine is from one moment to the next, as a small fixed piece of work finds it: beside the share of its processor that is ours, a machine
//! that others use has a speed of its own, since they share caches, memory and the units of its cores.
use crate::error::Error;
use crate::shrinkage::{Estimate, shrunk};
use crate::trace::{End, Trace};
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use supple_strategy::{Nanos, Spread};

/// Pieces whose geometric mean tells the speed once: single ones meet the machine in one of its states, which change within milliseconds.
const TOGETHER: usize = 8;
/// The span in which looks meet one speed: about that of [`TOGETHER`] pieces of a gauge that takes a hundredth of the time.
const SHORT: Nanos = Nanos(100_000_000);
/// The span in which looks tell a power: so many pieces of the gauge that what single ones happen to meet does not hide it.
const LONG: Nanos = Nanos(1_000_000_000);
/// What is known of a power before anything was measured: the slopes over spans of live runs were 0.5 to 1, since a gauge meets the machine in moments that the
/// work beside it does not meet.
const LIKE_THE_GAUGE: Estimate = Estimate { value: 0.75, variance: 0.02 };
/// The part of the variance of service times that is never the speed's.
const LEFT: f64 = 0.1;
/// The part of the moves of a speed, at least, that is not its error, where they tell a power.
const MOVED: f64 = 0.5;
/// Powers that are believed.
const POWERS: (f64, f64) = (0.0, 2.0);

/// What a gauge, a small fixed piece of work, took of the processor, again and again while other work ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    seen: Vec<(Nanos, f64)>,
}

impl Speeds {
    /// Adds a piece that began at `when`, not before the last, and took so many seconds. What took no time is left out.
    pub fn push(&mut self, when: Nanos, seconds: f64) {
        let after = self.seen.last().is_none_or(|(last, _)| *last <= when);
        if after && seconds.is_finite() && seconds > 0.0 {
            self.seen.push((when, seconds));
        }
    }

    /// When each piece began, and what it took, in seconds.
    pub fn seen(&self) -> &[(Nanos, f64)] {
        &self.seen
    }

    /// Their geometric mean, in seconds; `None` without pieces.
    pub fn mean(&self) -> Option<f64> {
        let times: Vec<f64> = self.seen.iter().map(|(_, seconds)| *seconds).collect();
        (!times.is_empty()).then(|| geometric_mean(&times))
    }

    /// The same without what missing memory bandwidth did to the gauge: all of it gone makes it `sensitivity` times longer, less one, as it does to rungs.
    #[must_use]
    pub fn without(mut self, free: &Trace, sensitivity: f64) -> Self {
        for (when, seconds) in &mut self.seen {
            *seconds /= 1.0 + sensitivity.max(0.0) * (1.0 - free.at(*when));
        }
        self
    }

    /// The machine's speed over time: `reference`, what the gauge takes in seconds at a speed of 1, over the geometric mean of what some pieces in a row
    /// took. Without pieces it is 1.
    ///
    /// # Errors
    /// When the reference is not a finite number above zero, or a speed is more than a trace can hold.
    pub fn trace(&self, reference: f64) -> Result<Trace, Error> {
        if !(reference.is_finite() && reference > 0.0) {
            return Err(Error::field(format!("the speed's reference = {reference} s"), "a finite number above 0"));
        }
        let speed = |pieces: &[(Nanos, f64)]| {
            let times: Vec<f64> = pieces.iter().map(|(_, seconds)| *seconds).collect();
            (pieces[0].0, reference / geometric_mean(&times))
        };
        let mut points: Vec<(Nanos, f64)> = chunks(&self.seen).map(speed).collect();
        points.dedup_by_key(|(when, _)| *when);
        match points.first_mut() {
            Some(first) => first.0 = Nanos::ZERO,
            None => points.push((Nanos::ZERO, 1.0)),
        }
        let length = self.seen.last().map_or(Nanos::ZERO, |(last, _)| *last);
        Trace::of(Unit::Number, points, length, End::Hold)
    }
}

/// One rung, run some times in a row, and the gauge after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When it began.
    pub when: Nanos,
    /// The rung.
    pub rung: usize,
    /// What it took right after another rung, in seconds.
    pub changed: f64,
    /// What it took later, in seconds.
    pub times: Vec<f64>,
    /// What the gauge took, in seconds.
    pub gauge: f64,
}

/// Looks at the rungs of a ladder in turn, ascending by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks(pub Vec<Look>);

impl Looks {
    /// Those of several runs, one after another, in which a machine's speed moves more than in one.
    pub fn together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut together, mut start) = (Vec::new(), Nanos::ZERO);
        for looks in all {
            together.extend(looks.0.iter().map(|look| Look { when: look.when + start, ..look.clone() }));
            start = together.last().map_or(start, |last: &Look| last.when + LONG);
        }
        Self(together)
    }

    /// What the gauge takes at a speed of 1, in seconds: the geometric mean.
    pub fn reference(&self) -> f64 {
        let gauges: Vec<f64> = self.0.iter().map(|look| look.gauge).collect();
        geometric_mean(&gauges)
    }

    /// The same beside work on these rungs: each counts what the gauge took after it, since that depends by one or two per cent on the work before; one that was
    /// not looked at counts the mean of all. Without any it is [`reference`](Self::reference).
    pub fn reference_beside(&self, work: impl IntoIterator<Item = usize>) -> f64 {
        let mut gauges: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        self.0.iter().for_each(|look| gauges.entry(look.rung).or_default().push(look.gauge));
        let after: BTreeMap<usize, f64> = gauges.iter().map(|(&rung, gauges)| (rung, geometric_mean(gauges))).collect();
        let all = self.reference();
        let beside: Vec<f64> = work.into_iter().map(|rung| after.get(&rung).copied().unwrap_or(all)).collect();
        if beside.is_empty() { all } else { geometric_mean(&beside) }
    }

    /// The looks, each with the machine's speed in the span that it is in.
    fn with_speeds(&self, span: Nanos) -> impl Iterator<Item = (&Look, f64)> {
        let reference = self.reference();
        let together = move |a: &Look, b: &Look| a.when.0 / span.0 == b.when.0 / span.0;
        self.0.chunk_by(together).flat_map(move |looks| {
            let gauges: Vec<f64> = looks.iter().map(|look| look.gauge).collect();
            let speed = reference / geometric_mean(&gauges);
            looks.iter().map(move |look| (look, speed))
        })
    }

    /// For each of so many rungs the power `p` with which its times go as the speed to the `-p`: by least squares over the logarithms of what it took in spans of
    /// time, without what the errors of the speeds make them flatter (errors in variables: Fuller, 1987), drawn to that of all rungs.
    pub fn powers(&self, rungs: usize) -> Vec<f64> {
        let error = self.error();
        let estimates: Vec<Estimate> = (0..rungs).map(|rung| slope(&self.spans(rung), error)).collect();
        shrunk(&estimates, LIKE_THE_GAUGE).into_iter().map(|power| power.clamp(POWERS.0, POWERS.1)).collect()
    }

    /// The variance of the error of the logarithm of a span's speed: what the gauge took in a span differs, and a span has few pieces.
    fn error(&self) -> f64 {
        let spans = self.0.chunk_by(|a, b| a.when.0 / LONG.0 == b.when.0 / LONG.0).filter(|looks| looks.len() > 1);
        let of_span = |looks: &[Look]| {
            square(&centred(&logarithms(looks.iter().map(|look| &look.gauge)))) / (looks.len() - 1) as f64
        };
        mean(&spans.map(of_span).collect::<Vec<_>>())
    }

    /// For each span in which a rung was looked at the logarithms of the slowness then, and of what it took.
    fn spans(&self, rung: usize) -> Vec<(f64, f64)> {
        let looks: Vec<(&Look, f64)> = self.with_speeds(LONG).filter(|(look, _)| look.rung == rung).collect();
        let spans = looks.chunk_by(|(a, _), (b, _)| a.when.0 / LONG.0 == b.when.0 / LONG.0);
        let timed = spans.filter(|span| span.iter().any(|(look, _)| !look.times.is_empty()));
        timed.map(|span| (-span[0].1.ln(), mean(&logarithms(span.iter().flat_map(|(look, _)| &look.times))))).collect()
    }

    /// For each of the rungs that have a power its service times at a speed of 1: spread so much less than was measured as the speed's moves explain.
    ///
    /// # Errors
    /// When a rung was not looked at.
    pub fn services(&self, powers: &[f64]) -> Result<Vec<Spread>, supple_strategy::Error> {
        let speeds: Vec<f64> = self.with_speeds(SHORT).map(|(_, speed)| speed.ln()).collect();
        let moves = square(&centred(&speeds));
        let of_rung = |(rung, &power): (usize, &f64)| {
            let looks = self.0.iter().filter(|look| look.rung == rung);
            let times = logarithms(looks.flat_map(|look| &look.times));
            let mean = mean(&times);
            let around = centred(&times);
            let own = 1.0 - power * power * moves / square(&around).max(f64::MIN_POSITIVE);
            let left = own.max(LEFT).sqrt();
            Spread::of(around.iter().map(|log| (mean + left * log).exp()).collect())
        };
        powers.iter().enumerate().map(of_rung).collect()
    }

    /// For each of so many rungs what it takes more right after another rung, in seconds: the median, not below 0.
    pub fn changed(&self, rungs: usize) -> Vec<f64> {
        let more = |look: &Look| (look.changed - geometric_mean(&look.times)).max(0.0);
        let of_rung = |rung| Spread::of(self.0.iter().filter(|look| look.rung == rung).map(more).collect());
        (0..rungs).map(|rung| of_rung(rung).map_or(0.0, |more| more.median())).collect()
    }
}

/// The slope of a line through points whose first coordinates have errors of this variance, and the variance of its error; nothing is found of fewer than three, or
/// where the first coordinates hardly differ by more than their errors.
fn slope(points: &[(f64, f64)], error: f64) -> Estimate {
    let (xs, ys): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (xs, ys) = (centred(&xs), centred(&ys));
    let square: f64 = xs.iter().map(|x| x * x).sum();
    let moved = square - (points.len() as f64 - 1.0) * error;
    if points.len() < 3 || square < f64::EPSILON || moved < MOVED * square {
        return Estimate { value: 0.0, variance: f64::INFINITY };
    }
    let value = xs.iter().zip(&ys).map(|(x, y)| x * y).sum::<f64>() / moved;
    let left: f64 = xs.iter().zip(&ys).map(|(x, y)| (y - value * x).powi(2)).sum();
    Estimate { value, variance: left * square / (points.len() - 2) as f64 / (moved * moved) }
}

/// Pieces in a row whose mean tells the speed once; the last ones belong to those before, unless there are enough of them.
fn chunks<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let count = (all.len() / TOGETHER).max(usize::from(!all.is_empty()));
    (0..count).map(move |i| &all[i * TOGETHER..if i + 1 == count { all.len() } else { (i + 1) * TOGETHER }])
}

/// 1 of nothing.
pub fn geometric_mean(all: &[f64]) -> f64 {
    mean(&logarithms(all.iter())).exp()
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len().max(1) as f64
}

fn logarithms<'a>(all: impl Iterator<Item = &'a f64>) -> Vec<f64> {
    all.map(|number| number.ln()).collect()
}

/// What each is more than the mean.
fn centred(all: &[f64]) -> Vec<f64> {
    let mean = mean(all);
    all.iter().map(|number| number - mean).collect()
}

/// The mean of the squares.
fn square(all: &[f64]) -> f64 {
    mean(&all.iter().map(|number| number * number).collect::<Vec<_>>())
}
