//! Applies a CPU-share trace to the live process while time passes.
use super::Throttle;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A change of share that took place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Applied {
    /// When the trace has it, from its origin.
    pub due: Duration,
    /// When it was in force, from the same origin.
    pub at: Duration,
    /// The share of one CPU for each worker.
    pub share: f64,
}

impl Applied {
    /// How late it was.
    pub fn lateness(&self) -> Duration {
        self.at.saturating_sub(self.due)
    }
}

/// What remains after a replay.
pub struct Played {
    /// Still holds the last share; dropping it lifts the limit.
    pub throttle: Throttle,
    /// The changes made, in order.
    pub log: Vec<Applied>,
    /// What ended the replay before its time.
    pub failure: Option<io::Error>,
}

impl Played {
    /// The greatest lateness of all changes; zero without changes.
    pub fn worst_lateness(&self) -> Duration {
        self.log.iter().map(Applied::lateness).max().unwrap_or_default()
    }
}

/// What a waiting player is handed: the throttle, the changes, and the origin of their times.
type Piece = (Throttle, Vec<(Duration, f64)>, Instant);

/// A thread that will replay a trace. A thread belongs to the cgroup of the one that started it: to stay outside of the throttle, it must be there before.
pub struct Waiting {
    hand: Sender<Piece>,
    player: Player,
}

impl Waiting {
    /// Starts to apply `changes`, pairs of the time after `origin` and the share from then on, in the order of their times.
    /// What is already past is applied at once.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn start(self, throttle: Throttle, mut changes: Vec<(Duration, f64)>, origin: Instant) -> io::Result<Player> {
        changes.sort_by_key(|(due, _)| *due);
        let ended = |_| io::Error::other("the thread that replays the trace has ended");
        self.hand.send((throttle, changes, origin)).map_err(ended)?;
        Ok(self.player)
    }
}

/// A thread, itself not throttled, that replays a trace. Dropping it ends the replay and restores the machine.
pub struct Player {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Option<Played>>>,
}

impl Player {
    /// A player that waits for what to replay.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn waiting() -> io::Result<Waiting> {
        let (stop, stopped) = channel();
        let (hand, handed) = channel::<Piece>();
        let play =
            move || handed.recv().ok().map(|(throttle, changes, origin)| play(throttle, &changes, origin, &stopped));
        let thread = Builder::new().name("share-player".to_owned()).spawn(play)?;
        Ok(Waiting { hand, player: Self { stop: Some(stop), thread: Some(thread) } })
    }

    /// Ends the replay now: what is still to come is left out.
    ///
    /// # Errors
    /// When the replaying thread has panicked (the machine is restored then).
    pub fn stop(mut self) -> io::Result<Played> {
        self.stop = None;
        self.join()
    }

    /// Waits until the last change is made.
    ///
    /// # Errors
    /// When the replaying thread has panicked (the machine is restored then).
    pub fn finish(mut self) -> io::Result<Played> {
        self.join()
    }

    fn join(&mut self) -> io::Result<Played> {
        let joined = self.thread.take().and_then(|thread| thread.join().ok()).flatten();
        joined.ok_or_else(|| io::Error::other("the thread that replays the trace has panicked"))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop = None;
        drop(self.join());
    }
}

fn play(mut throttle: Throttle, changes: &[(Duration, f64)], origin: Instant, stopped: &Receiver<()>) -> Played {
    let mut log = Vec::with_capacity(changes.len());
    for (due, share) in changes.iter().copied() {
        if !wait(due, origin, stopped) {
            break;
        }
        if let Err(failure) = throttle.set_share(share) {
            log::error!("the replay ends at {due:?}: {failure}");
            return Played { throttle, log, failure: Some(failure) };
        }
        log.push(Applied { due, at: origin.elapsed(), share });
    }
    Played { throttle, log, failure: None }
}

/// Sleeps until `due` after `origin`; false when it was stopped.
fn wait(due: Duration, origin: Instant, stopped: &Receiver<()>) -> bool {
    use std::sync::mpsc::RecvTimeoutError::Timeout;
    matches!(stopped.recv_timeout(due.saturating_sub(origin.elapsed())), Err(Timeout))
}

#[cfg(test)]
mod tests {
    use super::super::Mechanism;
    use super::*;
    use crate::machine::Tid;

    struct Refuses(f64);

    impl Mechanism for Refuses {
        fn name(&self) -> &str {
            "test"
        }

        fn limits(&self) -> String {
            String::new()
        }

        fn set_share(&mut self, share: f64) -> io::Result<()> {
            if share == self.0 { Err(io::Error::other("refused")) } else { Ok(()) }
        }
    }

    fn throttle() -> Throttle {
        Throttle::open_with(|_, _| Ok(Box::new(Refuses(0.9))), &[Tid::current()], Throttle::PERIOD).unwrap()
    }

    fn millis(changes: &[(u64, f64)]) -> Vec<(Duration, f64)> {
        changes.iter().map(|(due, share)| (Duration::from_millis(*due), *share)).collect()
    }

    #[test]
    fn changes_are_made_in_the_order_of_their_times_and_never_early() {
        let player = Player::waiting()
            .unwrap()
            .start(throttle(), millis(&[(40, 0.2), (0, 0.5), (20, 1.0)]), Instant::now())
            .unwrap();
        let played = player.finish().unwrap();
        assert_eq!(played.log.iter().map(|applied| applied.share).collect::<Vec<_>>(), [0.5, 1.0, 0.2]);
        assert!(played.log.iter().all(|applied| applied.at >= applied.due) && played.failure.is_none());
        assert!(played.worst_lateness() < Duration::from_secs(1));
    }

    #[test]
    fn stopping_leaves_out_what_is_to_come() {
        let start = Instant::now();
        let player = Player::waiting().unwrap().start(throttle(), millis(&[(0, 0.5), (600_000, 0.1)]), start).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(player.stop().unwrap().log.len() <= 1);
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_refusal_ends_the_replay_and_is_told() {
        let player = Player::waiting()
            .unwrap()
            .start(throttle(), millis(&[(0, 0.5), (1, 0.9), (2, 0.1)]), Instant::now())
            .unwrap();
        let played = player.finish().unwrap();
        assert_eq!(played.log.len(), 1);
        assert_eq!(played.failure.unwrap().to_string(), "refused");
    }
}
