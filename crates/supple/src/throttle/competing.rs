//! Competition: threads that only burn CPU, on the same processor as a worker. For machines without cgroup quota; coarse.
use super::Mechanism;
use super::undo::Undo;
use crate::machine::{Tid, cpus, processor};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::hint::spin_loop;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Spinners for each worker: the least share is 1 in 20.
const SPINNERS: u32 = 19;

/// How many spinners each worker has to compete with: `spinners(share)`, or `None` when it is over.
#[derive(Default)]
struct Load {
    level: Mutex<Option<f64>>,
    changed: Condvar,
}

impl Load {
    fn level(&self) -> MutexGuard<'_, Option<f64>> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, level: Option<f64>) {
        *self.level() = level;
        self.changed.notify_all();
    }

    /// The part of the time that the spinner with this rank is on duty, from 0 to 1.
    fn duty(&self, rank: u32) -> Option<f64> {
        self.level().map(|level| part(level, rank))
    }

    /// Sleeps for `time`, or until this spinner's duty is no longer the one `seen`.
    fn rest(&self, time: Duration, rank: u32, seen: f64) {
        let same =
            |level: &mut Option<f64>| level.is_some_and(|level| (level - f64::from(rank)).clamp(0.0, 1.0) == seen);
        drop(self.changed.wait_timeout_while(self.level(), time, same));
    }
}

fn part(level: f64, rank: u32) -> f64 {
    (level - f64::from(rank)).clamp(0.0, 1.0)
}

/// The number of spinners, the last one only part of the time, that leaves `share` of a processor to one worker.
///
/// With `n` equal spinners the worker gets `1 / (n + 1)`; in between, `n + 1` spinners compete for the part `f` of the time:
/// `share = (1 - f) / (n + 1) + f / (n + 2)`.
fn spinners(share: f64) -> f64 {
    let full = (1.0 / share.max(1e-6)).floor().clamp(1.0, f64::from(SPINNERS) + 1.0);
    let part = (1.0 / full - share) * full * (full + 1.0);
    (full - 1.0 + part.clamp(0.0, 1.0)).min(f64::from(SPINNERS))
}

fn spin(load: &Load, rank: u32, cycle: Duration) {
    while let Some(duty) = load.duty(rank) {
        let busy = cycle.mul_f64(duty);
        let start = Instant::now();
        while start.elapsed() < busy {
            spin_loop();
        }
        if duty < 1.0 {
            let rest = if duty > 0.0 { cycle - busy } else { Duration::from_secs(60) };
            load.rest(rest, rank, duty);
        }
    }
}

struct Competing {
    load: Arc<Load>,
    cycle: Duration,
    undo: Undo,
}

/// Binds each worker to one of its processors and starts the spinners there, all resting. A cycle of their duty is ten times
/// `period`, at least 20 ms: the scheduler shares a processor in slices of some milliseconds.
///
/// # Errors
/// When a worker is no live thread, may not be bound, or when no threads can be started.
pub fn open(workers: &[Tid], period: Duration) -> io::Result<Box<dyn Mechanism>> {
    let cycle = (period * 10).clamp(Duration::from_millis(20), Duration::from_secs(1));
    let load = Arc::new(Load::default());
    load.set(Some(0.0));
    let before = workers.iter().map(|worker| Ok((*worker, sched_getaffinity(Some(worker.pid()))?)));
    let before: Vec<(Tid, CpuSet)> = before.collect::<io::Result<_>>()?;
    let threads: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
    let undo = Undo::new({
        let (load, before, threads) = (load.clone(), before.clone(), threads.clone());
        move || restore(&load, &before, &threads)
    });
    for (index, (worker, allowed)) in before.iter().enumerate() {
        let processor = processor(allowed, index);
        sched_setaffinity(Some(worker.pid()), &processor)?;
        for rank in 0..SPINNERS {
            let thread = start(load.clone(), rank, cycle, processor)?;
            threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
    }
    Ok(Box::new(Competing { load, cycle, undo }))
}

fn start(load: Arc<Load>, rank: u32, cycle: Duration, processor: CpuSet) -> io::Result<JoinHandle<()>> {
    Builder::new().name(format!("spinner-{rank}")).stack_size(64 << 10).spawn(move || {
        match sched_setaffinity(None, &processor) {
            Ok(()) => spin(&load, rank, cycle),
            Err(error) => log::error!("spinner {rank} does not compete: {error}"),
        }
    })
}

fn restore(load: &Load, before: &[(Tid, CpuSet)], threads: &Mutex<Vec<JoinHandle<()>>>) {
    load.set(None);
    for (worker, allowed) in before {
        if let Err(error) = sched_setaffinity(Some(worker.pid()), allowed) {
            log::debug!("thread {worker} stays bound: {error}");
        }
    }
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    for thread in threads.drain(..) {
        drop(thread.join());
    }
}

impl Mechanism for Competing {
    fn name(&self) -> &str {
        "competing threads"
    }

    fn limits(&self) -> String {
        format!(
            "coarse: each worker is bound to one of {} processors and shares it in the scheduler's slices, shares are kept only \
             over {} ms and only while a worker has work, the least is {:.2}, and other processes take their part of the rest",
            cpus(),
            self.cycle.as_millis(),
            1.0 / f64::from(SPINNERS + 1)
        )
    }

    fn set_share(&mut self, share: f64) -> io::Result<()> {
        if self.undo.done() {
            return Err(io::Error::other("competing threads: already restored"));
        }
        self.load.set(Some(spinners(share)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinners_leave_the_share() {
        for (share, expected) in [(1.0, 0.0), (0.5, 1.0), (0.25, 3.0), (0.05, 19.0), (0.0, 19.0), (5.0, 0.0)] {
            assert!((spinners(share) - expected).abs() < 1e-9, "{share}: {}", spinners(share));
        }
        for step in 50..=1000 {
            let share = f64::from(step) / 1000.0;
            let (full, part) = (spinners(share).floor(), spinners(share).fract());
            let got = (1.0 - part) / (full + 1.0) + part / (full + 2.0);
            assert!((got - share).abs() < 1e-9, "{share}: {got}");
        }
    }

    #[test]
    fn workers_are_spread_over_the_allowed_processors() {
        let mut allowed = CpuSet::new();
        allowed.set(2);
        allowed.set(5);
        assert!(
            processor(&allowed, 0).is_set(2) && processor(&allowed, 1).is_set(5) && processor(&allowed, 2).is_set(2)
        );
        assert_eq!(processor(&allowed, 1).count(), 1);
    }
}
