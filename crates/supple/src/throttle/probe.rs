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
/// Part of the runs that agree with the phase of their probe where the tick is right.
const AGREED: f64 = 0.95;

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
    let rests: Vec<f64> = runs.iter().map(|run| remainder(run, tick_ms)).collect();
    let votes = |at: f64| rests.iter().filter(|other| apart(at, **other, tick_ms) <= BIN).count();
    rests.iter().copied().max_by_key(|&at| votes(at))
}

/// Those of these ticks, in milliseconds, by which the runs of each probe leave the same remainder, but none that divides another: its multiple says more.
pub fn agreed(probes: &[Vec<Duration>], ticks: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let near = |runs: &Vec<Duration>, tick: f64| {
        let phase = phase_ms(runs, tick).unwrap_or(0.0);
        runs.iter().filter(|run| apart(remainder(run, tick), phase, tick) <= BIN).count()
    };
    let all: usize = probes.iter().map(Vec::len).sum();
    let part = |tick: f64| probes.iter().map(|runs| near(runs, tick)).sum::<usize>() as f64 / all.max(1) as f64;
    let agreed: Vec<f64> = ticks.into_iter().filter(|&tick| tick > 0.0 && part(tick) >= AGREED).collect();
    let says_more = |tick: f64, other: f64| other > tick && other % tick == 0.0;
    agreed.iter().copied().filter(|&tick| !agreed.iter().any(|&other| says_more(tick, other))).collect()
}

fn remainder(run: &Duration, tick_ms: f64) -> f64 {
    (1e3 * run.as_secs_f64()) % tick_ms
}

/// How far two times within a tick are from each other, around its end.
fn apart(a: f64, b: f64, tick_ms: f64) -> f64 {
    (a - b).abs().min(tick_ms - (a - b).abs())
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
        let runs: Vec<Duration> = [11.9, 7.9, 11.95, 7.85].map(|ms| Duration::from_secs_f64(ms / 1e3)).to_vec();
        let ticks = [0.0, 1.0, 4.0, 10.0];
        assert_eq!(agreed(&[runs.clone(), runs.clone(), Vec::new()], ticks), [4.0]);
        assert!(agreed(&[], ticks).is_empty());
        let alike = vec![Duration::from_micros(11_900); 5];
        assert_eq!(agreed(std::slice::from_ref(&alike), ticks), [4.0, 10.0]);
        assert_eq!(agreed(&[alike, runs], ticks), [4.0]);
    }
}
