//! The contract of a generator of traces.
use crate::error::Error;
use crate::random::Stream;
use supple_strategy::Nanos;

/// Makes a trace from a few numbers and a random stream.
pub trait Generator {
    /// The points of a trace of this length: the first at zero, ascending, all before the end.
    ///
    /// # Errors
    /// When a number is not as it must be, or there would be more than [`MOST_POINTS`].
    fn points(&self, length: Nanos, random: &mut Stream) -> Result<Vec<(Nanos, f64)>, Error>;
}

/// Most points of a generated trace.
pub const MOST_POINTS: usize = 1 << 22;

/// Points that follow each other, up to a length.
pub(crate) struct Line {
    points: Vec<(Nanos, f64)>,
    now: Nanos,
    length: Nanos,
}

impl Line {
    pub(crate) fn new(length: Nanos) -> Self {
        Self { points: Vec::new(), now: Nanos::ZERO, length }
    }

    /// How far it reaches, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.now.seconds()
    }

    /// Whether it is as long as it is to be.
    pub(crate) fn is_whole(&self) -> bool {
        self.now >= self.length
    }

    /// Adds a value for a time; equal values in a row become one piece.
    pub(crate) fn push(&mut self, value: f64, seconds: f64) -> Result<(), Error> {
        if self.points.last().is_none_or(|last| last.1 != value) {
            self.points.push((self.now, value));
        }
        if self.points.len() > MOST_POINTS {
            let expected = format!("at most {MOST_POINTS} pieces");
            return Err(Error::field(format!("a trace of {} s", self.length.seconds()), expected));
        }
        self.now = self.now + Nanos::from_seconds(seconds).max(Nanos(1));
        Ok(())
    }

    pub(crate) fn into_points(self) -> Vec<(Nanos, f64)> {
        self.points
    }
}

/// Refuses a number that is not finite, above zero, and long enough that the trace has few enough pieces.
pub(crate) fn check_step(field: &str, seconds: f64, length: Nanos) -> Result<(), Error> {
    let least = (length.seconds() / MOST_POINTS as f64).max(1e-9);
    if seconds.is_finite() && seconds >= least {
        return Ok(());
    }
    Err(Error::field(format!("{field} = {seconds}"), format!("a finite number, at least {least} s for this length")))
}

/// Refuses a value that no trace can have.
pub(crate) fn check_value(field: &str, value: f64) -> Result<(), Error> {
    let good = (0.0..=crate::trace::Trace::MOST).contains(&value);
    if good { Ok(()) } else { Err(Error::field(format!("{field} = {value}"), "a finite number, not below 0")) }
}
