//! What the program tells of the machine that it runs on: processor, threads, today's date.
use anyhow::Result;
use rustix::thread::{CpuSet, Pid, gettid};
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};
use supple_strategy::Nanos;

/// A thread of this process, by the number that the kernel gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tid(Pid);

impl Tid {
    /// The calling thread. `rayon::broadcast(|_| Tid::current())` gives the threads of a pool.
    pub fn current() -> Self {
        Self(gettid())
    }

    /// The same number, as the system calls want it.
    pub fn pid(self) -> Pid {
        self.0
    }

    /// Reads the decimal number of a thread; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|raw| *raw > 0).and_then(Pid::from_raw).map(Self)
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_raw_nonzero().fmt(f)
    }
}

/// An error that also says which file it is about, in one line.
pub fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The whole text of a file; the error names the file.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    fs::read_to_string(&path).map_err(|error| at(path.as_ref(), error))
}

/// All threads of this process, by rising number.
///
/// # Errors
/// When `/proc/self/task` cannot be read.
pub fn thread_ids() -> io::Result<Vec<Tid>> {
    let folder = Path::new("/proc/self/task");
    let entries = fs::read_dir(folder).map_err(|error| at(folder, error))?;
    let mut threads: Vec<Tid> = entries.flatten().filter_map(|entry| Tid::parse(entry.file_name().to_str()?)).collect();
    threads.sort_by_key(|thread| thread.0.as_raw_nonzero());
    Ok(threads)
}

/// Processor time of this thread so far.
pub fn processor_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// What some work takes of this thread's processor time, in seconds.
///
/// # Errors
/// Those of the work.
pub fn on_processor(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = processor_time();
    work()?;
    Ok((processor_time() - start).seconds())
}

/// The number of processors that this process may use, at least 1.
pub fn cpus() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

/// One of some processors, by its place among them, counted around; of none, processor 0.
pub(crate) fn processor(some: &CpuSet, place: usize) -> CpuSet {
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| some.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    one.set(processors.get(place % processors.len().max(1)).copied().unwrap_or(0));
    one
}

/// The processor's name with its family, model and stepping, as in `AMD EPYC (family 25, model 1, stepping 1)`: virtual
/// machines often give the same name to different processors. The architecture's name where `/proc/cpuinfo` tells none.
pub fn cpu_model() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").ok();
    told.as_deref().and_then(cpu_model_in).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn cpu_model_in(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| field(cpuinfo, name);
    let numbers: Vec<String> = [("family", "cpu family"), ("model", "model"), ("stepping", "stepping")]
        .iter()
        .filter_map(|(label, name)| field(name).map(|value| format!("{label} {value}")))
        .collect();
    let name = field("model name")?;
    Some(if numbers.is_empty() { name.to_owned() } else { format!("{name} ({})", numbers.join(", ")) })
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| (key.trim() == name).then_some(value.trim()))
}

/// Today's date in UTC, as `2026-05-09`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of the Gregorian calendar, `days` days after 1970-01-01.
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`, without dates before 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_with_one_name_differ_by_their_numbers() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 1\n";
        let expected = "AMD EPYC (family 25, model 1, stepping 1)";
        assert_eq!(cpu_model_in(cpuinfo).as_deref(), Some(expected));
        assert_eq!(cpu_model_in("model name: X\n").as_deref(), Some("X"));
        assert_eq!(cpu_model_in("Processor: ARMv7\n"), None);
        assert!(!cpu_model().is_empty());
    }

    #[test]
    fn civil_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_088), (2024, 12, 31));
        assert_eq!(civil(20_089), (2025, 1, 1));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
        assert_eq!(today().len(), 10);
    }

    #[test]
    fn the_calling_thread_is_one_of_the_process() {
        assert!(thread_ids().unwrap().contains(&Tid::current()));
        assert_eq!(Tid::parse(&Tid::current().to_string()), Some(Tid::current()));
        assert_eq!(Tid::parse("0"), None);
        assert_eq!(Tid::parse("-4"), None);
        assert!(cpus() >= 1);
    }
}
