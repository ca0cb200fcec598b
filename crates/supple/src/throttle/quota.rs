//! A CPU share as a quota of CPU time in each period.
use std::time::Duration;

/// The least quota, and the least period, that Linux takes, in microseconds.
const LEAST: u64 = 1_000;
/// The longest period that Linux takes, in microseconds.
const LONGEST: u64 = 1_000_000;

/// At most `quota` microseconds of CPU time in every `period` microseconds; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Microseconds, for all threads together.
    pub quota: Option<u64>,
    /// Microseconds.
    pub period: u64,
}

impl Limit {
    /// No limit.
    pub fn none(period: Duration) -> Self {
        let micros = u64::try_from(period.as_micros()).unwrap_or(LONGEST);
        Self { quota: None, period: micros.clamp(LEAST, LONGEST) }
    }

    /// `share` of one CPU for each of `workers` threads: `quota = share * workers * period`. Where this is under 1 ms, the
    /// quota is 1 ms and the period longer, at most 1 s.
    pub fn new(share: f64, workers: usize, period: Duration) -> Self {
        let unlimited = Self::none(period);
        if share >= 1.0 {
            return unlimited;
        }
        let cpus = share * workers as f64;
        let quota = (cpus * unlimited.period as f64).round() as u64;
        if quota >= LEAST {
            return Self { quota: Some(quota), ..unlimited };
        }
        let period = ((LEAST as f64 / cpus).round() as u64).clamp(unlimited.period, LONGEST);
        Self { quota: Some(LEAST), period }
    }
}

/// What a quota cannot do, in a sentence.
pub(super) fn limits(workers: usize, period: Duration) -> String {
    let period = Limit::none(period).period;
    let least = LEAST as f64 / (period as f64 * workers as f64);
    format!(
        "one pool for all of them, refilled every {} ms and used up at full speed, in steps of the scheduler's tick; \
         a share under {least:.3} has a longer period, and zero is 1 ms of CPU in every second",
        period as f64 / 1000.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_millis(10);

    #[test]
    fn quota_is_share_times_workers_times_period() {
        assert_eq!(Limit::new(0.3, 1, TEN), Limit { quota: Some(3_000), period: 10_000 });
        assert_eq!(Limit::new(0.3, 4, TEN), Limit { quota: Some(12_000), period: 10_000 });
        assert_eq!(Limit::new(0.1, 1, TEN), Limit { quota: Some(1_000), period: 10_000 });
    }

    #[test]
    fn a_full_share_is_no_limit() {
        assert_eq!(Limit::new(1.0, 2, TEN), Limit { quota: None, period: 10_000 });
        assert_eq!(Limit::new(f64::INFINITY, 2, TEN).quota, None);
    }

    #[test]
    fn small_shares_lengthen_the_period() {
        assert_eq!(Limit::new(0.05, 1, TEN), Limit { quota: Some(1_000), period: 20_000 });
        assert_eq!(Limit::new(0.01, 2, TEN), Limit { quota: Some(1_000), period: 50_000 });
        assert_eq!(Limit::new(0.0001, 1, TEN), Limit { quota: Some(1_000), period: 1_000_000 });
        assert_eq!(Limit::new(0.0, 8, TEN), Limit { quota: Some(1_000), period: 1_000_000 });
    }

    #[test]
    fn every_limit_is_one_that_linux_takes() {
        let periods = [Duration::ZERO, Duration::from_micros(1500), TEN, Duration::from_secs(9), Duration::MAX];
        for period in periods {
            for step in 0..=1000 {
                let limit = Limit::new(f64::from(step) / 1000.0, 3, period);
                assert!((LEAST..=LONGEST).contains(&limit.period), "{limit:?}");
                assert!(limit.quota.is_none_or(|quota| quota >= LEAST), "{limit:?}");
            }
        }
    }
}
