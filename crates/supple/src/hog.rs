//! A neighbour that takes memory bandwidth: a thread that copies through memory for a part of the time.
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Bytes it copies from and to: more than caches hold.
const BUFFER: usize = 64 << 20;
/// Bytes copied at once.
const STRIDE: usize = 1 << 20;
/// Time within which it copies for its part.
const SLOT: Duration = Duration::from_millis(2);

/// A neighbour at work; dropping it sends it away.
pub struct Hog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hog {
    /// Starts to take what is not free: `changes` are pairs of the time after `origin` and the part of the bandwidth that is left free from then on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(changes: Vec<(Duration, f64)>, origin: Instant) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = Builder::new().name("bandwidth-hog".to_owned()).spawn(move || work(&changes, origin, &stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work(changes: &[(Duration, f64)], origin: Instant, stop: &AtomicBool) {
    let mut from = vec![1u8; BUFFER];
    let mut to = vec![0u8; BUFFER];
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        let slot = Instant::now();
        let now = slot.saturating_duration_since(origin);
        let free = changes.iter().rev().find(|(when, _)| *when <= now).map_or(1.0, |(_, free)| *free);
        let busy = SLOT.mul_f64((1.0 - free).clamp(0.0, 1.0));
        while slot.elapsed() < busy {
            to[at..at + STRIDE].copy_from_slice(&from[at..at + STRIDE]);
            at = (at + STRIDE) % BUFFER;
        }
        if at == 0 {
            std::mem::swap(&mut from, &mut to);
        }
        sleep(SLOT.saturating_sub(slot.elapsed()));
    }
}
