//! When requests arrive.
use crate::error::Error;
use crate::events::Events;
use crate::format::ReadOptions;
use crate::formats;
use crate::load_table::{Arrivals, Load};
use crate::random::{Stream, stream};
use crate::workload::{Arrival, Workload};
use crate::workloads::{AnyWorkload, Modulated, Periodic, Phase, Poisson, Replayed};
use std::fmt::Display;
use std::path::Path;
use supple_strategy::Nanos;

/// What the arrivals of a load depend on besides its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a, O> {
    /// Mean service time of the dense rung, in seconds.
    pub service: f64,
    pub seed: u64,
    /// Whose load it is: names its random stream.
    pub owner: O,
    /// Where the file is looked up.
    pub folder: &'a Path,
}

/// Most requests of a load, and most steps and phases that it may go through; one with more is refused.
pub(crate) const MOST: f64 = 1e7;

/// The requests that arrive before `duration`, ascending.
///
/// A rate that moves is had by bending time: arrivals at an even rate, each moved to where the integral of the factors of `load.steps` reaches it (the
/// time-rescaling theorem), so that a Poisson process stays one.
///
/// # Errors
/// When there would be too many, or the file of replayed ones cannot be read or has none.
pub(crate) fn arrivals<O: Display>(load: &Load, duration: Nanos, source: Source<'_, O>) -> Result<Vec<Arrival>, Error> {
    few_changes(load, duration)?;
    let mut even = match load.rate_hz(source.service) {
        _ if load.arrivals == Arrivals::Replayed => replayed(load, &source)?.into(),
        Some(rate) if rate > 0.0 => {
            few_enough(load, rate, duration)?;
            made(load, rate, stream(source.seed, source.owner, "arrivals"))?
        }
        Some(rate) if rate.is_nan() => return few_enough(load, rate, duration).map(|()| Vec::new()),
        _ => return Ok(Vec::new()),
    };
    let mut bent = Bent::new(load);
    let place = |arrival: Arrival| match &mut bent {
        Some(bent) => bent.place(arrival.at.seconds()).map(|at| Arrival { at: Nanos::from_seconds(at), ..arrival }),
        None => Some(arrival),
    };
    let all = std::iter::from_fn(|| even.next()).map_while(place);
    Ok(all.take_while(|arrival| arrival.at < duration).collect())
}

fn few_enough(load: &Load, rate: f64, duration: Nanos) -> Result<(), Error> {
    if rate * load.highest() * duration.seconds() <= MOST {
        return Ok(());
    }
    let field = format!("load: {rate} requests a second for {} s", duration.seconds());
    Err(Error::field(field, format!("at most {MOST} requests")))
}

/// Refuses a load whose rate changes so often that to follow it would take for ever.
fn few_changes(load: &Load, duration: Nanos) -> Result<(), Error> {
    let passes = load.length_s.map_or(1.0, |length| duration.seconds() / length);
    let shortest = load.phases.iter().map(|(_, mean_s)| *mean_s).fold(f64::INFINITY, f64::min);
    let changes = [passes * load.steps.len() as f64, load.highest() * duration.seconds() / shortest];
    match ["load.steps", "load.phases"].into_iter().zip(changes).find(|(_, changes)| *changes > MOST) {
        Some((field, changes)) => {
            let found = format!("{field}: {changes:.0} in {} s", duration.seconds());
            Err(Error::field(found, format!("at most {MOST}")))
        }
        None => Ok(()),
    }
}

/// Arrivals at `rate`, without end.
fn made(load: &Load, rate: f64, random: Stream) -> Result<AnyWorkload, Error> {
    Ok(match load.arrivals {
        Arrivals::Periodic => Periodic::new(rate, Nanos::MAX).into(),
        Arrivals::Modulated => {
            let phase = |&(factor, mean_s): &(f64, f64)| Phase { rate_hz: factor * rate, mean_s };
            Modulated::new(load.phases.iter().map(phase).collect(), Nanos::MAX, random)?.into()
        }
        Arrivals::Poisson | Arrivals::Replayed => Poisson::new(rate, Nanos::MAX, random).into(),
    })
}

/// Recorded arrivals from the beginning of their window on, at the rate that is wanted.
fn replayed<O>(load: &Load, source: &Source<'_, O>) -> Result<Replayed, Error> {
    let path = source.folder.join(load.file.as_deref().unwrap_or(Path::new("")));
    let events = recorded(load, &path).map_err(|error| error.within(path.display()))?;
    let last = events.last().map_or(0.0, |(time, _)| *time);
    let length = load.until_s.map_or(last, |until| until - load.from_s.unwrap_or(0.0));
    let faster = match load.rate_hz(source.service) {
        Some(_) if length <= 0.0 => {
            let error = Error::field("load.file: all arrivals at one time", "several times, to be brought to a rate");
            return Err(error.within(path.display()));
        }
        Some(rate) => rate * length / events.len() as f64,
        None => load.faster.unwrap_or(1.0),
    };
    let arrival = |(time, size)| Arrival { at: Nanos::from_seconds(time / faster), size };
    Ok(Replayed::new(events.into_iter().map(arrival).collect()))
}

/// The events of a file between `from_s` and `until_s`: their times in seconds from `from_s` on, and their sizes.
fn recorded(load: &Load, path: &Path) -> Result<Vec<(f64, f64)>, Error> {
    let options = ReadOptions { format: load.format.clone(), ..ReadOptions::default() };
    let events = formats::read(path, &options)?.value.into_events()?;
    let (from, until) = (load.from_s.unwrap_or(0.0), load.until_s.unwrap_or(f64::INFINITY));
    let first = events.times().first().copied().unwrap_or_default();
    let after = events.times().iter().map(|time| time.since(first).seconds()).enumerate();
    let inside: Vec<(usize, f64)> = after.filter(|(_, time)| (from..until).contains(time)).collect();
    match inside.len() {
        0 => {
            let found = format!("load.file: none of {} events", events.len());
            Err(Error::field(found, "one from load.from_s to load.until_s"))
        }
        some if some as f64 > MOST => Err(Error::field(format!("load.file: {some} events"), format!("at most {MOST}"))),
        _ => {
            let sizes = sizes(load, &events, inside.iter().map(|(event, _)| *event))?;
            Ok(inside.into_iter().map(|(_, time)| time - from).zip(sizes).collect())
        }
    }
}

/// How much work each of these events is: its amount in the column `load.size` over that of one piece of work.
fn sizes(
    load: &Load,
    events: &Events,
    inside: impl ExactSizeIterator<Item = usize> + Clone,
) -> Result<Vec<f64>, Error> {
    let Some(column) = &load.size else { return Ok(vec![1.0; inside.len()]) };
    let amounts = events.marks().numbers(column).map_err(|error| error.moved("column", "load.size: column"))?;
    let amount = |event: usize| {
        let found = || format!("load.size: `{column}` of event {} of {}", event + 1, events.len());
        amounts[event].filter(|amount| amount.is_finite()).ok_or_else(|| Error::field(found(), "a finite amount"))
    };
    let amounts = inside.map(amount).collect::<Result<Vec<f64>, Error>>()?;
    let mean = amounts.iter().sum::<f64>() / amounts.len() as f64;
    let one = load.size_of_one.unwrap_or(mean);
    if one > 0.0 && one.is_finite() {
        return Ok(amounts.into_iter().map(|amount| amount / one).collect());
    }
    Err(Error::field(format!("load.size: `{column}`, {one} on average"), "a finite mean above 0"))
}

/// Time bent by the factors of a load.
struct Bent {
    steps: Vec<(f64, f64)>,
    length: f64,
    /// The piece looked at, when the pass through the steps that it belongs to began, and the integral of the factor up to it.
    piece: usize,
    start: f64,
    sum: f64,
}

impl Bent {
    /// `None` when the factor is always one.
    fn new(load: &Load) -> Option<Self> {
        let steps = load.steps.clone();
        let length = load.length_s.unwrap_or(f64::INFINITY);
        (!steps.is_empty()).then_some(Self { steps, length, piece: 0, start: 0.0, sum: 0.0 })
    }

    /// The time at which the integral of the factor reaches `area`, which may not fall from call to call.
    fn place(&mut self, area: f64) -> Option<f64> {
        if self.steps.iter().all(|(_, factor)| *factor == 0.0) {
            return None;
        }
        loop {
            let (from, factor) = self.steps[self.piece];
            let to = self.steps.get(self.piece + 1).map_or(self.length, |next| next.0);
            let whole = if factor > 0.0 { factor * (to - from) } else { 0.0 };
            if factor > 0.0 && area < self.sum + whole {
                return Some(self.start + from + (area - self.sum) / factor);
            }
            if to.is_infinite() {
                return None;
            }
            self.sum += whole;
            self.piece += 1;
            if self.piece == self.steps.len() {
                (self.piece, self.start) = (0, self.start + self.length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(steps: &[(f64, f64)], length_s: Option<f64>) -> Load {
        let (utilisation, rate_hz, steps) = (None, Some(2.0), steps.to_vec());
        Load { arrivals: Arrivals::Periodic, utilisation, rate_hz, steps, length_s, ..Load::default() }
    }

    fn times(load: &Load, seed: u64) -> Vec<f64> {
        let source = Source { service: 1.0, seed, owner: "load", folder: Path::new("") };
        let times = arrivals(load, Nanos::from_seconds(20.0), source).expect("arrivals");
        times.into_iter().map(|arrival| arrival.at.seconds()).collect()
    }

    #[test]
    fn factors_bend_time_and_zero_lets_nothing_arrive() {
        let some = |load: &Load, n: usize| times(load, 1).into_iter().take(n).collect::<Vec<_>>();
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0), (3.0, 2.0)], None), 6), [0.0, 0.5, 3.0, 3.25, 3.5, 3.75]);
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0)], Some(2.0)), 5), [0.0, 0.5, 2.0, 2.5, 4.0]);
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0)], None), 5), [0.0, 0.5]);
        assert_eq!(some(&load(&[(0.0, 0.0)], Some(2.0)), 5), [0.0; 0]);
    }

    #[test]
    fn a_load_that_changes_without_end_is_refused() {
        let source = Source { service: 1.0, seed: 1, owner: "load", folder: Path::new("") };
        let endless = |load: Load| arrivals(&load, Nanos::from_seconds(1e6), source).expect_err("refused").to_string();
        let restless = load(&[(0.0, 1.0), (1e-6, 0.0)], Some(2e-6));
        assert_eq!(endless(restless), "load.steps: 1000000000000 in 1000000 s: expected at most 10000000");
        let phases = Load { arrivals: Arrivals::Modulated, phases: vec![(1.0, 1e-3)], ..load(&[], None) };
        assert_eq!(endless(phases), "load.phases: 1000000000 in 1000000 s: expected at most 10000000");
    }

    proptest! {
        #[test]
        fn a_constant_factor_is_another_rate(seed: u64, factor in 0.1..9.0f64) {
            let poisson = |load: Load| Load { arrivals: Arrivals::Poisson, ..load };
            let ours = times(&poisson(load(&[(0.0, factor)], None)), seed);
            let even = times(&Load { rate_hz: Some(2.0 * factor), ..poisson(load(&[], None)) }, seed);
            prop_assert_eq!(ours.len(), even.len());
            prop_assert!(ours.iter().zip(&even).all(|(a, b)| (a - b).abs() < 1e-8 * (1.0 + b)));
        }

        #[test]
        fn one_phase_is_a_poisson_process_of_its_rate(seed: u64, factor in 0.5..9.0f64) {
            let phases = Load { arrivals: Arrivals::Modulated, phases: vec![(factor, 1e9)], ..load(&[], None) };
            let expected = 20.0 * 2.0 * factor;
            prop_assert!((times(&phases, seed).len() as f64 - expected).abs() <= 1.0 + 6.0 * expected.sqrt());
        }
    }
}
