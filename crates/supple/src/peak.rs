//! The most memory that a piece of work holds at once.
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often the allocator is asked.
const EVERY: Duration = Duration::from_micros(100);

/// What `work` makes, and the most bytes that it held beyond what was held before, as seen every tenth of a millisecond and at its end. Zero where
/// the global allocator does not count.
pub fn of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = held(&INSTRUMENTED_SYSTEM.stats());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = before;
            while !done.load(Ordering::Acquire) {
                most = most.max(held(&INSTRUMENTED_SYSTEM.stats()));
                thread::sleep(EVERY);
            }
            most
        });
        let made = work();
        let after = held(&INSTRUMENTED_SYSTEM.stats());
        done.store(true, Ordering::Release);
        let most = watch.join().unwrap_or(after).max(after);
        (made, most.saturating_sub(before))
    })
}

fn held(stats: &Stats) -> usize {
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}
