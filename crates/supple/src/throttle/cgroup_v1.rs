//! CPU quota of cgroup version 1: `cpu.cfs_quota_us` in each `cpu.cfs_period_us`.
use super::Mechanism;
use super::child::{Child, Dialect};
use super::mounts::{Hierarchy, home};
use super::quota::{Limit, limits};
use crate::machine::Tid;
use std::io;
use std::time::Duration;

const DIALECT: Dialect = Dialect { threads: "tasks", limit: "cpu.cfs_quota_us", unlimited: "-1" };

struct CgroupV1 {
    child: Child,
    workers: usize,
    period: Duration,
    in_force: Limit,
}

/// Moves `workers` to a cgroup of their own in the hierarchy of the `cpu` controller.
///
/// # Errors
/// When there is no such hierarchy, or the user may not make cgroups in it.
pub fn open(workers: &[Tid], period: Duration) -> io::Result<Box<dyn Mechanism>> {
    let origins = workers.iter().map(|worker| Ok((*worker, home(Hierarchy::CpuV1, *worker)?)));
    let child = Child::create(DIALECT, origins.collect::<io::Result<_>>()?, || ())?;
    let in_force = Limit::none(period);
    child.write("cpu.cfs_period_us", &in_force.period.to_string())?;
    child.write("cpu.shares", &weight(workers.len()).to_string())?;
    child.take(workers)?;
    Ok(Box::new(CgroupV1 { child, workers: workers.len(), period, in_force }))
}

/// Makes each worker count as much as a thread outside, where they meet on one processor: a cgroup of weight 1024 counts as a
/// single thread. Linux takes up to 2^18.
fn weight(workers: usize) -> usize {
    workers.saturating_mul(1024).min(1 << 18)
}

impl CgroupV1 {
    fn write_period(&self, limit: Limit) -> io::Result<()> {
        if limit.period == self.in_force.period {
            return Ok(());
        }
        self.child.write("cpu.cfs_period_us", &limit.period.to_string())
    }

    fn write_quota(&self, limit: Limit) -> io::Result<()> {
        let quota = limit.quota.map(|quota| quota.to_string());
        self.child.write(DIALECT.limit, quota.as_deref().unwrap_or(DIALECT.unlimited))
    }
}

impl Mechanism for CgroupV1 {
    fn name(&self) -> &str {
        "quota of cgroup v1"
    }

    fn limits(&self) -> String {
        limits(self.workers, self.period)
    }

    /// Two files are written, in the order that never gives more in between than before or after.
    fn set_share(&mut self, share: f64) -> io::Result<()> {
        let limit = Limit::new(share, self.workers, self.period);
        if limit.period > self.in_force.period {
            self.write_period(limit)?;
            self.write_quota(limit)?;
        } else {
            self.write_quota(limit)?;
            self.write_period(limit)?;
        }
        self.in_force = limit;
        Ok(())
    }
}
