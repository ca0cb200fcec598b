//! Counters of a machine as Linux gives them, second by second.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::{Note, Noted};
use crate::samples::{Order, Samples, Where};
use crate::stamps;
use crate::text::Row;
use crate::unit::Unit;

/// CSV with the header `t_s,user,nice,...`: counters of `/proc/stat`, pressure, memory and network. They become amounts between one line and the next, in
/// the units of [`Host`](crate::formats::Host): `busy_pct` (with what was stolen), `steal_pct` and `iowait_pct` of all processors' time, `psi_*_some_pct` of the time,
/// `net_*_kib_s`, and `mem_available_mib` and `runnable` as they stand at the end.
#[derive(Clone, Copy, Debug)]
pub struct HostRaw;

const HEADER: [&str; 27] = [
    "t_s", "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "procs_running", "ctxt", "psi_cpu_some_avg10",
    "psi_cpu_some_total_us", "psi_mem_some_avg10", "psi_mem_some_total_us", "psi_mem_full_avg10", "psi_mem_full_total_us",
    "psi_io_some_avg10", "psi_io_some_total_us", "psi_io_full_avg10", "psi_io_full_total_us", "mem_available_kb",
    "net_rx_bytes", "net_tx_bytes", "load1", "probe_wall_us", "probe_cpu_us",
];
const CPU: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const IDLE: usize = 4;
const IOWAIT: usize = 5;
const STEAL: usize = 8;

impl TraceFormat for HostRaw {
    fn name(&self) -> &'static str {
        "host_raw"
    }

    fn about(&self) -> &'static str {
        "Counters of a Linux machine (CSV t_s,user,nice,...): what happened between lines"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let mut samples = Samples::new(options, Order::Regular, Where::Text(1));
        let mut before: Option<Counters> = None;
        while let Some(row) = sheet.next_row()? {
            let now = Counters::read(&row)?;
            if let Some(before) = &before {
                for (name, unit, value) in now.since(before, &row)? {
                    samples.push(name, unit, (now.time, value), row.line())?;
                }
            }
            before = Some(now);
        }
        sheet.note(Note::at(2, "counters become amounts between lines; the first line is their origin"));
        samples.finish(sheet.into_notes())
    }
}

struct Counters {
    time: i64,
    values: Vec<f64>,
}

impl Counters {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        let time = row.time(0, stamps::seconds, "a number of seconds")?;
        let values = (0..HEADER.len()).map(|i| row.amount(i)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { time, values })
    }

    /// What happened since the line before.
    fn since(&self, before: &Self, row: &Row<'_>) -> Result<Vec<(&'static str, Unit, f64)>, Error> {
        let grown = |i: usize| {
            let by = self.values[i] - before.values[i];
            if by >= 0.0 { Ok(by) } else { Err(row.wrong(i, "a counter that does not fall")) }
        };
        let seconds = (self.time - before.time) as f64 / 1e9;
        if seconds <= 0.0 {
            return Err(row.wrong(0, "a time after the one before"));
        }
        let all = CPU.iter().map(|&i| grown(i)).sum::<Result<f64, Error>>()?.max(1.0);
        let of_cpu = |ticks: f64| 100.0 * ticks / all;
        let of_time = |i: usize| Ok::<f64, Error>(grown(i)? / 1e4 / seconds);
        let busy = (all - grown(IDLE)? - grown(IOWAIT)?).max(0.0);
        Ok(vec![
            ("busy_pct", Unit::Percent, of_cpu(busy)),
            ("steal_pct", Unit::Percent, of_cpu(grown(STEAL)?)),
            ("iowait_pct", Unit::Percent, of_cpu(grown(IOWAIT)?)),
            ("psi_cpu_some_pct", Unit::Percent, of_time(12)?),
            ("psi_mem_some_pct", Unit::Percent, of_time(14)?),
            ("psi_io_some_pct", Unit::Percent, of_time(18)?),
            ("runnable", Unit::Count, self.values[9]),
            ("mem_available_mib", Unit::Mebibytes, self.values[21] / 1024.0),
            ("net_rx_kib_s", Unit::KibibytesPerSecond, grown(22)? / 1024.0 / seconds),
            ("net_tx_kib_s", Unit::KibibytesPerSecond, grown(23)? / 1024.0 / seconds),
            ("probe_wall_us", Unit::Microseconds, self.values[25]),
            ("probe_cpu_us", Unit::Microseconds, self.values[26]),
        ])
    }
}
