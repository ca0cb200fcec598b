//! Replays a CPU-share trace on this live process: its worker threads really get less CPU, so what runs in them meets real
//! contention and not a mock.
//!
//! ```ignore
//! let workers = rayon::broadcast(|_| Tid::current());
//! let mut throttle = Throttle::open(&workers, Throttle::PERIOD)?;
//! println!("{}", throttle.describe());
//! throttle.set_share(0.3)?;
//! ```
//!
//! Only the given threads are throttled: the controller, the load generator and the [`Player`] stay outside. All settings of
//! the machine are put back when the [`Throttle`] is dropped, thus also when a panic unwinds. A program that can end otherwise
//! (Ctrl-C, `panic = "abort"`) calls [`restore_all`] from its Ctrl-C handler and from its panic hook. After a `SIGKILL` an
//! empty cgroup remains; the next run removes it.
pub mod cgroup_v1;
pub mod cgroup_v2;
mod child;
pub mod competing;
mod mounts;
mod player;
pub mod probe;
mod quota;
mod undo;

pub use player::{Applied, Played, Player, Waiting};
pub use undo::restore_all;

use crate::machine::Tid;
use std::io;
use std::time::Duration;

/// One way to take CPU time from threads. It puts everything back in its `Drop`.
pub trait Mechanism: Send {
    /// Its name in one or two words.
    fn name(&self) -> &str;

    /// What it cannot do, in a sentence.
    fn limits(&self) -> String;

    /// From now on each worker gets `share` of one CPU: 0.3 is 30 %, 1 or more is no limit.
    ///
    /// # Errors
    /// When the machine refuses, or after [`restore_all`].
    fn set_share(&mut self, share: f64) -> io::Result<()>;
}

/// Makes a mechanism for some threads and a period.
pub type Opener = fn(&[Tid], Duration) -> io::Result<Box<dyn Mechanism>>;

/// All mechanisms, the best first.
const MECHANISMS: [(&str, Opener); 3] =
    [("cgroup v1", cgroup_v1::open), ("cgroup v2", cgroup_v2::open), ("competing threads", competing::open)];

/// A hold on the CPU share of some threads of this process; dropping it lets go.
pub struct Throttle {
    mechanism: Box<dyn Mechanism>,
    workers: usize,
    passed_over: Vec<String>,
    share: Option<f64>,
}

impl Throttle {
    /// The usual period: the time within which a share is kept.
    pub const PERIOD: Duration = Duration::from_millis(20);

    /// Takes hold of `workers` with the best mechanism that this machine allows: quota of cgroup v1, of cgroup v2, or threads
    /// that compete. No limit applies until the first [`set_share`](Self::set_share). `period` is from 1 ms to 1 s.
    ///
    /// # Errors
    /// When there is no worker, when one is no thread of this process, or when no mechanism works here.
    pub fn open(workers: &[Tid], period: Duration) -> io::Result<Self> {
        some(workers)?;
        let mut passed_over = Vec::new();
        for (name, opener) in MECHANISMS {
            match Self::open_with(opener, workers, period) {
                Ok(throttle) => return Ok(Self { passed_over, ..throttle }),
                Err(error) => passed_over.push(format!("{name}: {error}")),
            }
        }
        Err(io::Error::other(format!("no way to throttle: {}", passed_over.join("; "))))
    }

    /// Like [`open`](Self::open), with this mechanism and no other.
    ///
    /// # Errors
    /// When there is no worker, when one is no thread of this process, or when the mechanism does not work here.
    pub fn open_with(opener: Opener, workers: &[Tid], period: Duration) -> io::Result<Self> {
        some(workers)?;
        let mechanism = opener(workers, period)?;
        Ok(Self { mechanism, workers: workers.len(), passed_over: Vec::new(), share: None })
    }

    /// From now on each worker gets `share` of one CPU: 0.3 is 30 %, 1 or more is no limit, 0 is as little as the mechanism can
    /// give. The share in force is not set again.
    ///
    /// # Errors
    /// When `share` is negative or not a number, when the machine refuses, or after [`restore_all`].
    pub fn set_share(&mut self, share: f64) -> io::Result<()> {
        if share.is_nan() || share < 0.0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("CPU share {share}: expected 0 or more")));
        }
        if self.share != Some(share) {
            self.mechanism.set_share(share)?;
            self.share = Some(share);
        }
        Ok(())
    }

    /// The mechanism's name.
    pub fn name(&self) -> &str {
        self.mechanism.name()
    }

    /// Which mechanism is in use, what it cannot do, and why no better one is in use; for the head of a report.
    pub fn describe(&self) -> String {
        let (name, limits) = (self.mechanism.name(), self.mechanism.limits());
        let passed_over: String = self.passed_over.iter().map(|why| format!("; not {why}")).collect();
        format!("CPU share by {name} on {} worker threads; {limits}{passed_over}", self.workers)
    }
}

fn some(workers: &[Tid]) -> io::Result<()> {
    match workers {
        [] => Err(io::Error::new(io::ErrorKind::InvalidInput, "no worker thread to throttle")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
