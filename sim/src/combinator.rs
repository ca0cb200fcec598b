//! The contract of what makes a trace from another, or from two.
use crate::error::Error;
use crate::generator::MOST_POINTS;
use crate::random::Stream;
use crate::trace::Trace;
use supple_strategy::Nanos;

/// What a combinator may ask for besides the trace.
pub trait Context<T> {
    /// The other trace that `source` tells of.
    ///
    /// # Errors
    /// When there is none.
    fn other(&mut self, source: &T) -> Result<Trace, Error>;

    /// Random numbers for this combinator alone.
    fn random(&mut self) -> Stream;
}

/// Makes a trace from another. `T` is how other traces are told of: a table of a scenario, or a [`Trace`] itself.
pub trait Combinator<T> {
    /// The trace that is made. Its end policy is that of `trace`.
    ///
    /// # Errors
    /// When a number is not as it must be, or the result is no trace.
    fn apply(&self, trace: &Trace, context: &mut dyn Context<T>) -> Result<Trace, Error>;
}

/// A trace with the same unit and end as `like`, from points of which neighbours may have equal values, or times: then the last counts.
pub(crate) fn remade(like: &Trace, points: Vec<(Nanos, f64)>, length: Nanos) -> Result<Trace, Error> {
    let mut kept: Vec<(Nanos, f64)> = Vec::with_capacity(points.len());
    for point in points {
        if kept.last().is_some_and(|last| last.0 == point.0) {
            kept.pop();
        }
        if kept.last().is_none_or(|last| last.1 != point.1) {
            kept.push(point);
        }
    }
    Trace::of(like.unit(), kept, length, like.end())
}

/// The pieces of a trace from `from` to `to`, its end policy applied; times count from `from`.
pub(crate) fn pieces(trace: &Trace, from: Nanos, to: Nanos) -> Result<Vec<(Nanos, f64)>, Error> {
    let mut points = vec![(Nanos::ZERO, trace.at(from))];
    let mut now = from;
    while let Some(next) = trace.next_change(now).filter(|next| *next < to && *next > now) {
        points.push((next - from, trace.at(next)));
        now = next;
        if points.len() > MOST_POINTS {
            return Err(Error::field(
                format!("{} s of a trace", (to - from).seconds()),
                format!("at most {MOST_POINTS} pieces"),
            ));
        }
    }
    Ok(points)
}

/// The length of a trace, or an error that says what it is needed for.
pub(crate) fn length(trace: &Trace, what: &str) -> Result<Nanos, Error> {
    let last = trace.points().last().map_or(Nanos::ZERO, |point| point.0);
    if trace.length() > last {
        return Ok(trace.length());
    }
    Err(Error::field(format!("{what} of a trace without a length"), "length_s"))
}

/// Seconds of a scenario as nanoseconds, or an error.
pub(crate) fn span(field: &str, seconds: f64) -> Result<Nanos, Error> {
    let span = Nanos::from_seconds(seconds);
    if seconds.is_finite() && span > Nanos::ZERO {
        return Ok(span);
    }
    Err(Error::field(format!("{field} = {seconds}"), "a finite number above 0"))
}

/// A context for combinators whose other traces are at hand.
pub struct AtHand(pub Stream);

impl Context<Trace> for AtHand {
    fn other(&mut self, source: &Trace) -> Result<Trace, Error> {
        Ok(source.clone())
    }
    fn random(&mut self) -> Stream {
        self.0.clone()
    }
}
