//! When requests arrive.
use crate::random::stream;
use crate::tables::{Arrivals, Load};
use rand::RngExt;

/// Arrival times in seconds at `rate` a second where the factor of `load.steps` is one; without end, unless nothing ever arrives again.
///
/// A rate that moves is had by bending time: arrivals at rate one, each moved to where the integral of the rate reaches it (the time-rescaling
/// theorem), so that a Poisson process stays one.
pub(crate) fn arrivals(load: &Load, rate: f64, seed: u64) -> Box<dyn Iterator<Item = f64>> {
    if rate == 0.0 {
        return Box::new(std::iter::empty());
    }
    let mut random = stream(seed, "load", "arrivals");
    let even: Box<dyn Iterator<Item = f64>> = match load.arrivals {
        Arrivals::Periodic => Box::new((0u64..).map(move |i| i as f64 / rate)),
        Arrivals::Poisson => Box::new((0u64..).scan(0.0, move |now, _| {
            *now -= (1.0 - random.random::<f64>()).ln() / rate;
            Some(*now)
        })),
    };
    match Bent::new(load) {
        Some(mut bent) => Box::new(even.map_while(move |when| bent.place(when))),
        None => even,
    }
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
        Load { arrivals: Arrivals::Periodic, steps: steps.to_vec(), length_s, ..Load::default() }
    }

    #[test]
    fn factors_bend_time_and_zero_lets_nothing_arrive() {
        let some = |load: &Load, n| arrivals(load, 2.0, 1).take(n).collect::<Vec<_>>();
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0), (3.0, 2.0)], None), 6), [0.0, 0.5, 3.0, 3.25, 3.5, 3.75]);
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0)], Some(2.0)), 5), [0.0, 0.5, 2.0, 2.5, 4.0]);
        assert_eq!(some(&load(&[(0.0, 1.0), (1.0, 0.0)], None), 5), [0.0, 0.5]);
        assert_eq!(some(&load(&[(0.0, 0.0)], Some(2.0)), 5), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn a_constant_factor_is_another_rate(seed: u64, factor in 0.1..9.0f64) {
            let bent = load(&[(0.0, factor)], None);
            let poisson = |load: Load| Load { arrivals: Arrivals::Poisson, ..load };
            let ours: Vec<f64> = arrivals(&poisson(bent), 3.0, seed).take(50).collect();
            let even: Vec<f64> = arrivals(&poisson(load(&[], None)), 3.0 * factor, seed).take(50).collect();
            prop_assert!(ours.iter().zip(&even).all(|(a, b)| (a - b).abs() < 1e-9 * (1.0 + b)));
        }
    }
}
