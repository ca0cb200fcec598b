//! The contract of a case: one layer in one format, with its operands.
use crate::error::Error;
use std::time::{Duration, Instant};

/// One layer in one format, with its operands.
pub trait Case {
    /// The output.
    ///
    /// # Errors
    /// What the kernel says.
    fn forward(&mut self, threads: usize) -> Result<(), Error>;

    /// The gradients of input, weights and bias.
    ///
    /// # Errors
    /// What the kernel says.
    fn backward(&mut self, threads: usize) -> Result<(), Error>;

    /// The name of the kernel that ran.
    fn chosen(&self) -> &'static str;
}

/// Time that one turn of one pass may take.
const TURN: Duration = Duration::from_millis(250);
/// The runs it makes at least and at most.
const RUNS: std::ops::RangeInclusive<usize> = 7..=200;

/// Milliseconds of one pass forward and one backward (gradients of input, weights and bias).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Forward.
    pub forward: f64,
    /// Backward.
    pub backward: f64,
}

impl Times {
    /// The medians of one turn of a case.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn of(case: &mut dyn Case, threads: usize) -> Result<Self, Error> {
        Self::within(case, threads, TURN)
    }

    /// The medians of a turn of which each pass takes about `turn`, but some runs at least.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn within(case: &mut dyn Case, threads: usize, turn: Duration) -> Result<Self, Error> {
        let forward = time(turn, || case.forward(threads))?;
        let backward = time(turn, || case.backward(threads))?;
        Ok(Self { forward, backward })
    }

    /// The medians over turns.
    pub fn median(times: &[Self]) -> Self {
        Self {
            forward: median(times.iter().map(|times| times.forward).collect()),
            backward: median(times.iter().map(|times| times.backward).collect()),
        }
    }
}

/// The middle value; of an even number, the upper of the two. Not a number where there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median milliseconds of a call, after one that does not count.
fn time(turn: Duration, mut call: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    call()?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < *RUNS.start() || (begin.elapsed() < turn && times.len() < *RUNS.end()) {
        let start = Instant::now();
        call()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}
