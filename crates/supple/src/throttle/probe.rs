//! What a quota does to a thread that spins.
use super::Throttle;
use std::io;
use std::time::{Duration, Instant};

/// How long a probe spins: some periods.
const SPAN: Duration = Duration::from_millis(240);
/// The share it spins at.
const SHARE: f64 = 0.5;
/// A gap at least this long is a throttling.
const GAP: Duration = Duration::from_millis(1);
/// Width of the bins in which phases are counted, in milliseconds.
const BIN: f64 = 0.25;

/// Lengths of the runs, from a refill to the tick at which the empty pool is noticed, of this thread, which the throttle must hold. The share is none
/// afterwards.
///
/// # Errors
/// When the share cannot be set.
pub fn runs(throttle: &mut Throttle) -> io::Result<Vec<Duration>> {
    throttle.set_share(SHARE)?;
    let start = Instant::now();
    let (mut last, mut resumed, mut runs) = (start, None, Vec::new());
    while start.elapsed() < SPAN {
        let now = Instant::now();
        if now - last > GAP {
            runs.extend(resumed.map(|resumed: Instant| last - resumed));
            resumed = Some(now);
        }
        last = now;
    }
    throttle.set_share(1.0)?;
    Ok(runs)
}

/// Time from a refill to the next tick, in milliseconds: the remainder by the tick that most runs have. `None` without runs, or without a tick.
pub fn phase_ms(runs: &[Duration], tick_ms: f64) -> Option<f64> {
    if tick_ms <= 0.0 {
        return None;
    }
    let rest = |run: &Duration| (1e3 * run.as_secs_f64()) % tick_ms;
    let near = |a: f64, b: f64| ((a - b).abs()).min(tick_ms - (a - b).abs()) <= BIN;
    let rests: Vec<f64> = runs.iter().map(rest).collect();
    let votes = |at: f64| rests.iter().filter(|other| near(at, **other)).count();
    rests.iter().copied().max_by_key(|&at| votes(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_is_what_most_runs_agree_on() {
        let runs: Vec<Duration> = [11.9, 7.9, 10.6, 3.95, 6.7].map(|ms| Duration::from_secs_f64(ms / 1e3)).to_vec();
        let phase = phase_ms(&runs, 4.0).unwrap();
        assert!((phase - 3.9).abs() < 0.1, "{phase}");
        assert_eq!(phase_ms(&[], 4.0), None);
        assert_eq!(phase_ms(&runs, 0.0), None);
    }
}
