//! Where the cgroup of a thread is in the file system.
use crate::machine::{Tid, read};
use std::io;
use std::path::{Path, PathBuf};

/// Which cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// The one of version 1 with the `cpu` controller.
    CpuV1,
    /// The one of version 2.
    Unified,
}

/// A mounted hierarchy: the cgroup `root` is seen at `point`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn folder(&self, cgroup: &str) -> PathBuf {
        let below = Path::new(cgroup).strip_prefix(&self.root).unwrap_or(Path::new(""));
        self.point.join(below)
    }
}

/// The folder of the cgroup that `thread` is in.
///
/// # Errors
/// When the hierarchy is not mounted, or the thread is none of this process.
pub(super) fn home(hierarchy: Hierarchy, thread: Tid) -> io::Result<PathBuf> {
    let missing = |what| io::Error::new(io::ErrorKind::NotFound, format!("{hierarchy:?}: {what}"));
    let mount = mount_in(&read("/proc/self/mountinfo")?, hierarchy).ok_or_else(|| missing("not mounted"))?;
    let cgroups = read(format!("/proc/self/task/{thread}/cgroup"))?;
    let cgroup = cgroup_in(&cgroups, hierarchy).ok_or_else(|| missing("the thread is in no cgroup"))?;
    Ok(mount.folder(cgroup))
}

/// Finds a hierarchy in the text of `/proc/self/mountinfo` (format: `man 5 proc_pid_mountinfo`).
fn mount_in(mountinfo: &str, hierarchy: Hierarchy) -> Option<Mount> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (filesystem, options) = (right.next()?, right.nth(1)?);
        let fits = match hierarchy {
            Hierarchy::CpuV1 => filesystem == "cgroup" && options.split(',').any(|option| option == "cpu"),
            Hierarchy::Unified => filesystem == "cgroup2",
        };
        let mut places = left.split(' ').skip(3).map(unescape);
        fits.then(|| Some(Mount { root: places.next()?, point: places.next()? }))?
    })
}

/// Finds the cgroup in a text like `/proc/self/cgroup`, with lines `number:controllers:path`.
fn cgroup_in(cgroups: &str, hierarchy: Hierarchy) -> Option<&str> {
    cgroups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let fits = match hierarchy {
            Hierarchy::CpuV1 => controllers.split(',').any(|controller| controller == "cpu"),
            Hierarchy::Unified => number == "0" && controllers.is_empty(),
        };
        fits.then_some(path)
    })
}

/// Blank, tab, newline and backslash are written `\040`, `\011`, `\012` and `\134` in a mount table.
fn unescape(field: &str) -> PathBuf {
    let plain = field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    PathBuf::from(plain.replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
32 31 0:29 /docker/a1 /sys/fs/my\\040cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
    const CGROUPS: &str = "4:cpu,cpuacct:/docker/a1/x\n3:cpuset:/\n1:name=systemd:/a:b\n0::/user.slice/x.scope\n";

    #[test]
    fn mounts_are_found_by_type_and_controller() {
        let v1 = mount_in(MOUNTS, Hierarchy::CpuV1).unwrap();
        assert_eq!(v1, Mount { root: "/docker/a1".into(), point: "/sys/fs/my cgroup/cpu".into() });
        let v2 = mount_in(MOUNTS, Hierarchy::Unified).unwrap();
        assert_eq!(v2, Mount { root: "/".into(), point: "/sys/fs/cgroup/unified".into() });
        assert_eq!(mount_in("", Hierarchy::Unified), None);
        assert_eq!(mount_in("31 23 - cgroup2\n33 - cgroup2 cgroup2 rw", Hierarchy::Unified), None);
    }

    #[test]
    fn cgroups_are_found_by_controller() {
        assert_eq!(cgroup_in(CGROUPS, Hierarchy::CpuV1), Some("/docker/a1/x"));
        assert_eq!(cgroup_in(CGROUPS, Hierarchy::Unified), Some("/user.slice/x.scope"));
        assert_eq!(cgroup_in("2:cpuacct:/\n", Hierarchy::CpuV1), None);
    }

    #[test]
    fn folders_are_relative_to_the_mounted_root() {
        let mount = Mount { root: "/docker/a1".into(), point: "/cg".into() };
        assert_eq!(mount.folder("/docker/a1/x"), PathBuf::from("/cg/x"));
        assert_eq!(mount.folder("/elsewhere"), PathBuf::from("/cg/"));
    }
}
