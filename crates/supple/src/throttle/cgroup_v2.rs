//! CPU quota of cgroup version 2: `cpu.max` of a *threaded* child cgroup, which may hold some threads of a process while the
//! others stay in its parent (Linux, `admin-guide/cgroup-v2.rst`, "Threads").
use super::Mechanism;
use super::child::{Child, Dialect, write};
use super::mounts::{Hierarchy, home};
use super::quota::{Limit, limits};
use crate::machine::{Tid, read};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DIALECT: Dialect = Dialect { threads: "cgroup.threads", limit: "cpu.max", unlimited: "max" };
const HANDED_DOWN: &str = "cgroup.subtree_control";

struct CgroupV2 {
    child: Child,
    workers: usize,
    period: Duration,
}

/// Moves `workers` to a threaded cgroup of their own. Where their cgroup does not hand the `cpu` controller down to its
/// children, it does so until the end.
///
/// # Errors
/// When version 2 is not mounted or has no `cpu` controller here, when the workers' cgroup hands down controllers that know no
/// threads (such as `memory`), or when the user may not make cgroups in it.
pub fn open(workers: &[Tid], period: Duration) -> io::Result<Box<dyn Mechanism>> {
    let origins = workers.iter().map(|worker| Ok((*worker, home(Hierarchy::Unified, *worker)?)));
    let origins: Vec<(Tid, PathBuf)> = origins.collect::<io::Result<_>>()?;
    let parent = origins.first().map(|(_, home)| home.clone()).unwrap_or_default();
    let has_to_hand_down = must_hand_down(&parent)?;
    let child = threaded_child(origins, has_to_hand_down.then(|| parent.clone()))?;
    if has_to_hand_down {
        write(&parent.join(HANDED_DOWN), "+cpu")?;
    }
    child.write(DIALECT.limit, &text(Limit::none(period)))?;
    child.write("cpu.weight", &weight(workers.len()).to_string())?;
    child.take(workers)?;
    Ok(Box::new(CgroupV2 { child, workers: workers.len(), period }))
}

/// Whether `cpu` is available to `parent`'s children only after it is handed down.
fn must_hand_down(parent: &Path) -> io::Result<bool> {
    if has_cpu(&read(parent.join(HANDED_DOWN))?) {
        return Ok(false);
    }
    if has_cpu(&read(parent.join("cgroup.controllers"))?) {
        return Ok(true);
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("{}: no cpu controller", parent.display())))
}

fn has_cpu(controllers: &str) -> bool {
    controllers.split_whitespace().any(|controller| controller == "cpu")
}

/// The child, which stops `handing_down` after itself, made threaded: this makes its parent the root of a threaded subtree,
/// free to hold threads and children with controllers at once.
fn threaded_child(origins: Vec<(Tid, PathBuf)>, handing_down: Option<PathBuf>) -> io::Result<Child> {
    let child = Child::create(DIALECT, origins, move || {
        if let Some(Err(error)) = handing_down.map(|parent| write(&parent.join(HANDED_DOWN), "-cpu")) {
            log::warn!("not restored: {error}");
        }
    })?;
    child.write("cgroup.type", "threaded")?;
    Ok(child)
}

/// Makes each worker count as much as a thread outside, where they meet on one processor: a cgroup of weight 100 counts as a
/// single thread. Linux takes up to 10,000.
fn weight(workers: usize) -> usize {
    workers.saturating_mul(100).min(10_000)
}

/// A limit as `cpu.max` has it: quota and period.
fn text(limit: Limit) -> String {
    let quota = limit.quota.map_or_else(|| DIALECT.unlimited.to_owned(), |quota| quota.to_string());
    format!("{quota} {}", limit.period)
}

impl Mechanism for CgroupV2 {
    fn name(&self) -> &str {
        "quota of cgroup v2"
    }

    fn limits(&self) -> String {
        limits(self.workers, self.period)
    }

    fn set_share(&mut self, share: f64) -> io::Result<()> {
        self.child.write(DIALECT.limit, &text(Limit::new(share, self.workers, self.period)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn limits_are_written_as_quota_and_period() {
        let period = Duration::from_millis(10);
        assert_eq!(text(Limit::new(0.3, 2, period)), "6000 10000");
        assert_eq!(text(Limit::new(1.0, 2, period)), "max 10000");
    }

    #[test]
    fn the_cpu_controller_is_looked_for_by_its_whole_name() {
        let parent = tempfile::tempdir().unwrap();
        let answer = |available: &str, handed_down: &str| {
            fs::write(parent.path().join("cgroup.controllers"), available).unwrap();
            fs::write(parent.path().join(HANDED_DOWN), handed_down).unwrap();
            must_hand_down(parent.path()).ok()
        };
        assert_eq!(answer("cpuset cpu io\n", "cpu\n"), Some(false));
        assert_eq!(answer("cpuset cpu io\n", "cpuset\n"), Some(true));
        assert_eq!(answer("cpuset io\n", ""), None);
    }

    /// Needs no `cpu` controller in version 2: only that a thread moves to a threaded child and back.
    #[test]
    fn a_thread_moves_to_a_threaded_child_and_back() {
        let thread = Tid::current();
        let Ok(origin) = home(Hierarchy::Unified, thread) else { return eprintln!("skipped: no cgroup v2") };
        let child = match threaded_child(vec![(thread, origin.clone())], None) {
            Ok(child) => child,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        child.take(&[thread]).unwrap();
        let inside = home(Hierarchy::Unified, thread).unwrap();
        assert_eq!(inside.parent(), Some(origin.as_path()));
        drop(child);
        assert_eq!(home(Hierarchy::Unified, thread).unwrap(), origin);
        assert!(!inside.exists());
    }
}
