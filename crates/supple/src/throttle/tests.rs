//! Real threads, really throttled. Where cgroups are not permitted, the tests say so and pass.
use super::mounts::{Hierarchy, home};
use super::*;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

/// One at a time: the measurements share the processors, and [`restore_all`] undoes whatever it finds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that burns CPU for a while on demand, and tells what share of the CPU it got.
struct Worker {
    tid: Tid,
    go: Sender<(Duration, Sender<f64>)>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start() -> Self {
        let (tell, told) = channel();
        let (go, work) = channel::<(Duration, Sender<f64>)>();
        let thread = spawn(move || {
            tell.send(Tid::current()).unwrap();
            for (time, answer) in work {
                answer.send(burn(time)).unwrap();
            }
        });
        Self { tid: told.recv().unwrap(), go, thread }
    }

    fn share_over(&self, time: Duration) -> f64 {
        let (answer, answered) = channel();
        self.go.send((time, answer)).unwrap();
        answered.recv().unwrap()
    }

    fn end(self) {
        drop(self.go);
        self.thread.join().unwrap();
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn burn(time: Duration) -> f64 {
    let (start, used) = (Instant::now(), cpu_seconds());
    while start.elapsed() < time {}
    (cpu_seconds() - used) / start.elapsed().as_secs_f64()
}

fn ours(folder: &PathBuf) -> usize {
    let prefix = format!("supple-{}-", std::process::id());
    fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .count()
}

#[test]
fn quota_gives_the_share_and_is_undone() {
    let _alone = alone();
    let worker = Worker::start();
    let mut throttle = match Throttle::open_with(cgroup_v1::open, &[worker.tid], Throttle::PERIOD) {
        Ok(throttle) => throttle,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let inside = home(Hierarchy::CpuV1, worker.tid).unwrap();
    let outside = home(Hierarchy::CpuV1, Tid::current()).unwrap();
    assert_eq!(inside.parent(), Some(outside.as_path()));
    throttle.set_share(0.3).unwrap();
    let share = worker.share_over(Duration::from_secs(1));
    assert!(share > 0.0 && share < 0.5, "{share}");
    drop(throttle);
    assert!(!inside.exists());
    assert_eq!(home(Hierarchy::CpuV1, worker.tid).unwrap(), outside);
    worker.end();
}

#[test]
fn zero_share_nearly_stops_a_thread_until_the_next_change() {
    let _alone = alone();
    let worker = Worker::start();
    let Ok(throttle) = Throttle::open_with(cgroup_v1::open, &[worker.tid], Throttle::PERIOD) else {
        return eprintln!("skipped: no quota of cgroup v1");
    };
    let changes = vec![(Duration::ZERO, 0.0), (Duration::from_millis(600), 1.0)];
    let player = Player::waiting().unwrap().start(throttle, changes, Instant::now()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let share = worker.share_over(Duration::from_millis(300));
    assert!(share < 0.2, "{share}");
    assert_eq!(player.finish().unwrap().log.len(), 2);
    worker.end();
}

#[test]
fn restore_all_undoes_everything_any_number_of_times() {
    let _alone = alone();
    let worker = Worker::start();
    let origin = home(Hierarchy::CpuV1, worker.tid).ok();
    for opener in [cgroup_v1::open as Opener, competing::open] {
        let Ok(mut throttle) = Throttle::open_with(opener, &[worker.tid], Throttle::PERIOD) else { continue };
        throttle.set_share(0.5).unwrap();
        restore_all();
        restore_all();
        assert!(throttle.set_share(0.2).unwrap_err().to_string().contains("already restored"));
    }
    assert_eq!(home(Hierarchy::CpuV1, worker.tid).ok(), origin);
    worker.end();
}

#[test]
fn a_panic_restores() {
    let _alone = alone();
    let worker = Worker::start();
    let tid = worker.tid;
    let Ok(origin) = home(Hierarchy::CpuV1, tid) else { return eprintln!("skipped: no cgroup v1") };
    let panicked = spawn(move || {
        let _throttle = Throttle::open(&[tid], Throttle::PERIOD).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(home(Hierarchy::CpuV1, tid).unwrap(), origin);
    assert_eq!(ours(&origin), 0);
    worker.end();
}

/// Upper bounds only: how much less a thread gets depends on who else runs.
#[test]
fn competition_takes_its_half() {
    let _alone = alone();
    let worker = Worker::start();
    let mut throttle = Throttle::open_with(competing::open, &[worker.tid], Throttle::PERIOD).unwrap();
    throttle.set_share(0.5).unwrap();
    let share = worker.share_over(Duration::from_secs(1));
    drop(throttle);
    assert!(share > 0.0 && share < 0.7, "{share}");
    worker.end();
}

#[test]
fn bad_input_is_refused() {
    let _alone = alone();
    assert_eq!(
        Throttle::open(&[], Throttle::PERIOD).err().map(|error| error.kind()),
        Some(io::ErrorKind::InvalidInput)
    );
    let nobody = Tid::parse("2147483647").unwrap();
    assert!(Throttle::open(&[nobody], Throttle::PERIOD).is_err());
    let mut throttle = Throttle::open(&[Tid::current()], Throttle::PERIOD).unwrap();
    assert!(throttle.set_share(f64::NAN).is_err() && throttle.set_share(-0.1).is_err());
    assert!(throttle.describe().contains("1 worker threads"), "{}", throttle.describe());
}
