//! A cgroup made for the worker threads, below the one they came from, and removed in the end.
use super::undo::Undo;
use crate::machine::{Tid, at, read};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// The files of one version of cgroups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Lists the threads in a cgroup; a thread written to it moves there.
    pub threads: &'static str,
    /// Holds the quota.
    pub limit: &'static str,
    /// Lifts the quota.
    pub unlimited: &'static str,
}

/// A cgroup of our own; dropping it brings the threads back and removes it.
pub(super) struct Child {
    path: PathBuf,
    threads: &'static str,
    undo: Undo,
}

impl Child {
    /// Makes the empty cgroup `supple-<process>-<number>` in the first of `origins`, which tell where each worker comes from;
    /// `afterwards` runs when it is gone again.
    ///
    /// # Errors
    /// When the cgroup cannot be made.
    pub fn create(
        dialect: Dialect,
        origins: Vec<(Tid, PathBuf)>,
        afterwards: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let home = origins.first().map(|(_, home)| home.clone()).unwrap_or_default();
        remove_stale(&home);
        let path = home.join(fresh_name());
        fs::create_dir(&path).map_err(|error| at(&path, error))?;
        let leaving = Leaving { dialect, path: path.clone(), home, origins };
        let undo = Undo::new(move || {
            leaving.leave();
            afterwards();
        });
        Ok(Self { path, threads: dialect.threads, undo })
    }

    /// Writes one of the cgroup's files.
    ///
    /// # Errors
    /// When the cgroup has been undone, or the kernel refuses.
    pub fn write(&self, file: &str, text: &str) -> io::Result<()> {
        if self.undo.done() {
            return Err(io::Error::other(format!("{}: already restored", self.path.display())));
        }
        write(&self.path.join(file), text)
    }

    /// Moves threads into the cgroup.
    ///
    /// # Errors
    /// When the kernel refuses, or a thread has ended.
    pub fn take(&self, workers: &[Tid]) -> io::Result<()> {
        workers.iter().try_for_each(|worker| self.write(self.threads, &worker.to_string()))
    }
}

/// All it takes to leave a cgroup as if it had never been.
struct Leaving {
    dialect: Dialect,
    path: PathBuf,
    home: PathBuf,
    origins: Vec<(Tid, PathBuf)>,
}

impl Leaving {
    const ATTEMPTS: usize = 100;
    const PAUSE: Duration = Duration::from_millis(2);

    fn leave(&self) {
        report(write(&self.path.join(self.dialect.limit), self.dialect.unlimited));
        let mut removed = Ok(());
        for _ in 0..Self::ATTEMPTS {
            self.move_out();
            removed = fs::remove_dir(&self.path).map_err(|error| at(&self.path, error));
            if removed.is_ok() {
                return;
            }
            sleep(Self::PAUSE);
        }
        report(removed);
    }

    /// Also moves the threads that workers have started since: they were born in the cgroup.
    fn move_out(&self) {
        let threads = read(self.path.join(self.dialect.threads)).unwrap_or_default();
        for thread in threads.lines().filter_map(Tid::parse) {
            let file = self.origin(thread).join(self.dialect.threads);
            if let Err(error) = write(&file, &thread.to_string()) {
                log::debug!("thread {thread} stays: {error}");
            }
        }
    }

    fn origin(&self, thread: Tid) -> &Path {
        self.origins.iter().find(|(worker, _)| *worker == thread).map_or(&self.home, |(_, origin)| origin)
    }
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        log::warn!("not restored: {error}");
    }
}

/// Writes to a file that exists; the error names it.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| at(path, error))
}

fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("supple-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The process in a name made by [`fresh_name`].
fn owner(name: &str) -> Option<u32> {
    let (process, number) = name.strip_prefix("supple-")?.split_once('-')?;
    number.parse::<u64>().ok()?;
    process.parse().ok()
}

/// Removes the cgroups of processes that ended without doing so; a cgroup that holds threads cannot be removed.
fn remove_stale(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else { return };
    for entry in entries.flatten() {
        let owner = entry.file_name().to_str().and_then(owner);
        if owner.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let removed = fs::remove_dir(entry.path());
            log::info!("stale cgroup {}: {removed:?}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_process() {
        assert_eq!(owner(&fresh_name()), Some(process::id()));
        assert_eq!(owner("supple-12-3"), Some(12));
        assert_eq!(owner("supple-12"), None);
        assert_eq!(owner("supple-12-x"), None);
        assert_eq!(owner("system.slice"), None);
    }

    #[test]
    fn cgroups_of_dead_processes_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let (dead, own) = (home.path().join("supple-999999999-0"), home.path().join(fresh_name()));
        fs::create_dir(&dead).unwrap();
        fs::create_dir(&own).unwrap();
        remove_stale(home.path());
        assert!(!dead.exists() && own.exists());
    }
}
