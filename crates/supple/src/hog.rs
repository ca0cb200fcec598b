//! A neighbour that takes memory bandwidth: a thread that copies through memory for a part of the time.
use crate::machine::processor;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Bytes it copies from and to: more than caches hold.
const BUFFER: usize = 64 << 20;
/// Bytes copied at once.
const STRIDE: usize = 1 << 20;
/// Time within which it copies for its part.
const SLOT: Duration = Duration::from_millis(2);

/// What a neighbour is told: when how much is to be left free, and the origin of the times.
type Orders = (Vec<(Duration, f64)>, Instant);

/// A neighbour; dropping it sends it away. It belongs to the cgroup of the thread that made it: to work beside a throttled thread it must be there before.
/// Where there are several processors, it has one of them, and the thread that made it keeps to the others until it drops it: it takes memory bandwidth alone.
pub struct Hog {
    hand: Sender<Orders>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The processors of the thread that made it.
    before: CpuSet,
}

impl Hog {
    /// A neighbour that does nothing yet.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn waiting() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, (hand, handed)) = (stop.clone(), channel::<Orders>());
        let before = sched_getaffinity(None)?;
        let (its, ours) = apart(&before);
        let work = move || {
            // Where it may not choose its processor, it copies on any.
            let _ = sched_setaffinity(None, &its);
            if let Ok((changes, origin)) = handed.recv() {
                work(&changes, origin, &stopped);
            }
        };
        let thread = Builder::new().name("bandwidth-hog".to_owned()).spawn(work)?;
        sched_setaffinity(None, &ours)?;
        Ok(Self { hand, stop, thread: Some(thread), before })
    }

    /// Lets it take what is not free: `changes` are pairs of the time after `origin` and the part of the bandwidth that is left free from then on.
    ///
    /// # Errors
    /// When its thread has ended.
    pub fn start(&self, changes: Vec<(Duration, f64)>, origin: Instant) -> io::Result<()> {
        self.hand.send((changes, origin)).map_err(|_| io::Error::other("the neighbour has ended"))
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.hand = channel().0;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        // It may be dropped by another thread than that which made it; the worst is that a thread keeps to fewer processors.
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// One of the processors, and the others; of one alone both.
fn apart(all: &CpuSet) -> (CpuSet, CpuSet) {
    let its = processor(all, all.count().saturating_sub(1) as usize);
    let mut ours = *all;
    (0..CpuSet::MAX_CPU).filter(|&cpu| its.is_set(cpu)).for_each(|cpu| ours.unset(cpu));
    if ours.count() > 0 { (its, ours) } else { (*all, *all) }
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
