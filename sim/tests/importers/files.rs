//! Well-formed text files, and what they mean.
use std::fmt::Write;
use supple_sim::format::Content;
use supple_sim::measurements::{Cells, Column};
use supple_sim::{End, Events, Measurements, Quantiles, Trace, Unit};
use supple_strategy::Nanos;

/// Random numbers of a row.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub step: u32,
    pub a: u32,
    pub b: u32,
}

/// A file, and what it means.
pub struct Made {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub content: Content,
}

pub const SECOND: u64 = 1_000_000_000;

pub fn made(name: &'static str, text: String, content: Content) -> Made {
    Made { name, bytes: text.into_bytes(), content }
}

/// A trace whose last value lasts as long as the one before.
pub fn sampled(unit: Unit, points: Vec<(u64, f64)>) -> Trace {
    let last = points.len() - 1;
    let length = 2 * points[last].0 - points[last - 1].0;
    trace(unit, points, length)
}

pub fn trace(unit: Unit, points: Vec<(u64, f64)>, length: u64) -> Trace {
    let points = points.into_iter().map(|(time, value)| (Nanos(time), value)).collect();
    Trace::of(unit, points, Nanos(length), End::Hold).expect("a trace")
}

pub fn one(name: &str, trace: Trace) -> Content {
    Content::Traces(vec![(name.to_string(), trace)])
}

pub fn numbers(name: &str, unit: Unit, cells: Vec<f64>) -> Column {
    Column { name: name.to_string(), unit, cells: Cells::Numbers(cells.into_iter().map(Some).collect()) }
}

pub fn texts(name: &str, cells: Vec<String>) -> Column {
    Column { name: name.to_string(), unit: Unit::Number, cells: Cells::Texts(cells) }
}

pub fn table(columns: Vec<Column>) -> Measurements {
    Measurements::new(columns).expect("a table")
}

pub fn events(times: Vec<u64>, columns: Vec<Column>) -> Content {
    let times = times.into_iter().map(Nanos).collect();
    Content::Events(Events::new(times, table(columns)).expect("events"))
}

/// Ascending times from 0, each a step of the draw after the one before, in steps of `unit` nanoseconds.
pub fn times(draws: &[Draw], unit: u64) -> Vec<u64> {
    let later = draws[1..].iter().scan(0, |now, draw| {
        *now += u64::from(draw.step) * unit;
        Some(*now)
    });
    std::iter::once(0).chain(later).collect()
}

pub fn column(draws: &[Draw], of: impl Fn(&Draw) -> f64) -> Vec<f64> {
    draws.iter().map(of).collect()
}

fn a(draw: &Draw) -> f64 {
    f64::from(draw.a)
}

fn b(draw: &Draw) -> f64 {
    f64::from(draw.b)
}

fn points(draws: &[Draw], unit: u64, of: impl Fn(&Draw) -> f64) -> Vec<(u64, f64)> {
    times(draws, unit).into_iter().zip(column(draws, of)).collect()
}

fn lines(header: &str, draws: &[Draw], unit: u64, line: impl Fn(u64, &Draw) -> String) -> String {
    let mut text = header.to_string();
    for (time, draw) in times(draws, unit).into_iter().zip(draws) {
        let _ = writeln!(text, "{}", line(time / unit.max(1), draw));
    }
    text
}

pub fn native(draws: &[Draw]) -> Made {
    let text = lines("seconds,MHz\n", draws, SECOND, |time, draw| format!("{time},{}", draw.a));
    made("t.csv", text, one("MHz", sampled(Unit::Megahertz, points(draws, SECOND, a))))
}

pub fn host(draws: &[Draw]) -> Made {
    let text = lines("t_s,dt_s,busy_pct,free_mib\n", draws, SECOND, |time, draw| {
        format!("{time}.0,1.0,{},{}", draw.b, draw.a)
    });
    let busy = sampled(Unit::Percent, points(draws, SECOND, b));
    let free = sampled(Unit::Mebibytes, points(draws, SECOND, a));
    made("h.csv", text, Content::Traces(vec![("busy_pct".to_string(), busy), ("free_mib".to_string(), free)]))
}

const RAW: &str = "t_s,user,nice,system,idle,iowait,irq,softirq,steal,procs_running,ctxt,psi_cpu_some_avg10,psi_cpu_some_total_us,\
    psi_mem_some_avg10,psi_mem_some_total_us,psi_mem_full_avg10,psi_mem_full_total_us,psi_io_some_avg10,psi_io_some_total_us,\
    psi_io_full_avg10,psi_io_full_total_us,mem_available_kb,net_rx_bytes,net_tx_bytes,load1,probe_wall_us,probe_cpu_us\n";

/// One second a line; each adds `step` ticks to each of the processor's eight counters, 10 000 us of pressure, and `b` KiB received.
pub fn host_raw(draws: &[Draw]) -> Made {
    let (mut text, mut ticks, mut bytes) = (RAW.to_string(), 0, 0);
    for (i, draw) in draws.iter().enumerate() {
        ticks += draw.step;
        bytes += 1024 * draw.b;
        let cpu = vec![ticks.to_string(); 8].join(",");
        let psi = 10_000 * i;
        let _ =
            writeln!(text, "{i},{cpu},3,0,0,{psi},0,{psi},0,{psi},0,{psi},0,{psi},{},{bytes},0,0.5,7,5", 1024 * draw.a);
    }
    let steps = draws.len() as u64 - 1;
    let after = |unit, value: &dyn Fn(&Draw) -> f64| {
        let points = (0..steps).map(|i| (i * SECOND, value(&draws[i as usize + 1]))).collect();
        trace(unit, points, steps * SECOND)
    };
    let named = [
        ("busy_pct", after(Unit::Percent, &|_| 75.0)),
        ("steal_pct", after(Unit::Percent, &|_| 12.5)),
        ("iowait_pct", after(Unit::Percent, &|_| 12.5)),
        ("psi_cpu_some_pct", after(Unit::Percent, &|_| 1.0)),
        ("psi_mem_some_pct", after(Unit::Percent, &|_| 1.0)),
        ("psi_io_some_pct", after(Unit::Percent, &|_| 1.0)),
        ("runnable", after(Unit::Count, &|_| 3.0)),
        ("mem_available_mib", after(Unit::Mebibytes, &a)),
        ("net_rx_kib_s", after(Unit::KibibytesPerSecond, &b)),
        ("net_tx_kib_s", after(Unit::KibibytesPerSecond, &|_| 0.0)),
        ("probe_wall_us", after(Unit::Microseconds, &|_| 7.0)),
        ("probe_cpu_us", after(Unit::Microseconds, &|_| 5.0)),
    ];
    let traces = named.map(|(name, trace)| (name.to_string(), trace)).to_vec();
    made("raw.csv", text, Content::Traces(traces))
}

pub fn nab(draws: &[Draw]) -> Made {
    let minute = 60 * SECOND;
    let line = |time: u64, draw: &Draw| {
        format!("2014-02-{:02} {:02}:{:02}:00,{}", 1 + time / 1440, time / 60 % 24, time % 60, draw.b)
    };
    let text = lines("timestamp,value\n", draws, minute, line);
    made("ec2_cpu_utilization_1.csv", text, one("value", sampled(Unit::Percent, points(draws, minute, b))))
}

pub fn azure_vm(draws: &[Draw]) -> Made {
    let line = |time: u64, draw: &Draw| {
        format!("east,B8ms,0,{},30.0,{}\nwest,D8,1,{},30.0,{}", 1_693_535_545 + time, draw.a, 5 + time, draw.b)
    };
    let text = lines("region,sku,vm_id,start_unix_s,runtime_s,value\n", draws, SECOND, line);
    let east = sampled(Unit::PerSecond, points(draws, SECOND, a));
    let west = sampled(Unit::PerSecond, points(draws, SECOND, b));
    made(
        "sysbench_cpu.csv",
        text,
        Content::Traces(vec![("east/B8ms/0".to_string(), east), ("west/D8/1".to_string(), west)]),
    )
}

pub fn azure_llm(draws: &[Draw]) -> Made {
    let line = |time: u64, draw: &Draw| format!("2023-11-16 18:17:03.{time:07},{},{}", draw.a, draw.b);
    let text = lines("TIMESTAMP,ContextTokens,GeneratedTokens\n", draws, 100, line);
    let marks = vec![
        numbers("context_tokens", Unit::Count, column(draws, a)),
        numbers("generated_tokens", Unit::Count, column(draws, b)),
    ];
    made("code.csv", text, events(times(draws, 100), marks))
}

pub fn bitbrains(draws: &[Draw]) -> Made {
    let header = "Timestamp [ms];\tCPU cores;\tCPU usage [MHZ];\tCPU usage [%];\tMemory usage [KB];\tDisk read throughput [KB/s]\n";
    let line = |time: u64, draw: &Draw| {
        format!("{};\t1;\t{}.5;\t{};\t{};\t0.0", 1_376_314_846 + time, draw.a, draw.b, draw.step)
    };
    let text = lines(header, draws, SECOND, line);
    let named = [
        ("cpu_cores", sampled(Unit::Count, points(draws, SECOND, |_| 1.0))),
        ("cpu_usage_mhz", sampled(Unit::Megahertz, points(draws, SECOND, |draw| a(draw) + 0.5))),
        ("cpu_usage_percent", sampled(Unit::Percent, points(draws, SECOND, b))),
        ("memory_usage_kb", sampled(Unit::Kilobytes, points(draws, SECOND, |draw| f64::from(draw.step)))),
        ("disk_read_throughput_kb_s", sampled(Unit::KilobytesPerSecond, points(draws, SECOND, |_| 0.0))),
    ];
    made("b.csv", text, Content::Traces(named.map(|(name, trace)| (name.to_string(), trace)).to_vec()))
}

pub fn bamboo_events(draws: &[Draw]) -> Made {
    let change = |draw: &Draw| if draw.b.is_multiple_of(3) { "remove" } else { "add" };
    let line = |time: u64, draw: &Draw| format!("{time},{},node{}", change(draw), draw.a);
    let text = lines("", draws, 1_000_000, line);
    let marks = vec![
        texts("change", draws.iter().map(|draw| change(draw).to_string()).collect()),
        texts("node", draws.iter().map(|draw| format!("node{}", draw.a)).collect()),
    ];
    made("p3.csv", text, events(times(draws, 1_000_000), marks))
}

/// The lines in reverse order, as their order means nothing.
pub fn bamboo_live(draws: &[Draw]) -> Made {
    let line = |time: u64, draw: &Draw| format!("2021-12-10, 13:{:02}:{:02}, {}", time / 60, time % 60, draw.b);
    let text = lines("", draws, SECOND, line);
    let reversed: Vec<&str> = text.lines().rev().collect();
    made("v100.txt", reversed.join("\n") + "\n", one("live", sampled(Unit::Count, points(draws, SECOND, b))))
}

/// Each change as two points at one time; hours, each a thousandth long, where the first draw says so.
pub fn bamboo_counts(draws: &[Draw]) -> Made {
    let hours = draws[0].b.is_multiple_of(2);
    let (mut text, mut before) = (String::new(), 0);
    for (time, draw) in times(draws, 1).into_iter().zip(draws) {
        let time = if hours { format!("{}.{:03}", time / 1000, time % 1000) } else { time.to_string() };
        let _ = writeln!(text, "{time},{before}\n{time},{}", draw.b);
        before = draw.b;
    }
    let unit = if hours { 3_600_000_000 } else { SECOND };
    made("aws-spot-instances-x.csv", text, one("live", sampled(Unit::Count, points(draws, unit, b))))
}

pub fn alibaba_minibatch(draws: &[Draw]) -> Made {
    let line = |time: u64, draw: &Draw| format!("0,3,25,{},{}\n1,7,25,{},{}", time + 1, draw.a, time + 1, draw.b);
    let text = lines(",worker,gpu,time,batch_time_norm\n", draws, SECOND, line);
    let three = sampled(Unit::Number, points(draws, SECOND, a));
    let seven = sampled(Unit::Number, points(draws, SECOND, b));
    made("job_1_norm.csv", text, Content::Traces(vec![("3".to_string(), three), ("7".to_string(), seven)]))
}

/// Two jobs; the second ends one iteration before the first.
pub fn alibaba_variation(draws: &[Draw]) -> Made {
    let width = draws.len().max(4);
    let header: Vec<String> = (0..width).map(|i| i.to_string()).collect();
    let row = |of: fn(&Draw) -> f64, length: usize| {
        let cell = |i: usize| if i < length { of(&draws[i]).to_string() } else { String::new() };
        (0..width).map(cell).collect::<Vec<_>>().join(",")
    };
    let (first, second) = (draws.len(), draws.len() - 1);
    let text = format!(",{}\njob_00,{}\njob_01,{}\n", header.join(","), row(a, first), row(b, second));
    let job = |of: fn(&Draw) -> f64, length: usize| {
        let points = draws[..length].iter().enumerate().map(|(i, draw)| (i as u64 * SECOND, of(draw))).collect();
        trace(Unit::Number, points, length as u64 * SECOND)
    };
    let traces = vec![("job_00".to_string(), job(a, first)), ("job_01".to_string(), job(b, second))];
    made("coefficient_variation.csv", text, Content::Traces(traces))
}

pub fn pollux_placements(draws: &[Draw]) -> Made {
    let line = |_: u64, draw: &Draw| format!("{},{},{}.5,0.25", draw.step, draw.a, draw.b);
    let text = lines("placement,local_bsz,step_time,sync_time\n", draws, 1, line);
    let columns = vec![
        texts("placement", draws.iter().map(|draw| draw.step.to_string()).collect()),
        numbers("local_bsz", Unit::Count, column(draws, a)),
        numbers("step_time", Unit::Seconds, column(draws, |draw| b(draw) + 0.5)),
        numbers("sync_time", Unit::Seconds, column(draws, |_| 0.25)),
    ];
    made("placements.csv", text, Content::Measurements(table(columns)))
}

pub fn pollux_scalability(draws: &[Draw]) -> Made {
    let line = |_: u64, draw: &Draw| format!("{},6,{},{}.5,0.25", draw.step, draw.a, draw.b);
    let text = lines("num_nodes,num_replicas,local_bsz,step_time,sync_time\n", draws, 1, line);
    let columns = vec![
        numbers("num_nodes", Unit::Count, column(draws, |draw| f64::from(draw.step))),
        numbers("num_replicas", Unit::Count, column(draws, |_| 6.0)),
        numbers("local_bsz", Unit::Count, column(draws, a)),
        numbers("step_time", Unit::Seconds, column(draws, |draw| b(draw) + 0.5)),
        numbers("sync_time", Unit::Seconds, column(draws, |_| 0.25)),
    ];
    made("scalability.csv", text, Content::Measurements(table(columns)))
}

pub fn pollux_validation(draws: &[Draw]) -> Made {
    let line = |_: u64, draw: &Draw| format!("{}.0,{},{}.5,2,3", draw.a, draw.step, draw.b);
    let text = lines("progress,iteration,metric,grad_sqr,grad_var\n", draws, 1, line);
    let columns = vec![
        numbers("progress", Unit::Number, column(draws, a)),
        numbers("iteration", Unit::Count, column(draws, |draw| f64::from(draw.step))),
        numbers("metric", Unit::Number, column(draws, |draw| b(draw) + 0.5)),
        numbers("grad_sqr", Unit::Number, column(draws, |_| 2.0)),
        numbers("grad_var", Unit::Number, column(draws, |_| 3.0)),
    ];
    made("validation-8.csv", text, Content::Measurements(table(columns)))
}

pub fn pollux_workload(draws: &[Draw]) -> Made {
    let line = |time: u64, draw: &Draw| format!("job-{time},{},cifar10,{},{}", time + 107, draw.step, draw.a);
    let text = lines("name,time,application,num_replicas,batch_size\n", draws, SECOND, line);
    let marks = vec![
        texts("application", vec!["cifar10".to_string(); draws.len()]),
        numbers("num_replicas", Unit::Count, column(draws, |draw| f64::from(draw.step))),
        numbers("batch_size", Unit::Count, column(draws, a)),
    ];
    made("workload-1.csv", text, events(times(draws, SECOND), marks))
}

pub fn zeus_power(draws: &[Draw]) -> Made {
    let line = |_: u64, draw: &Draw| format!("cifar,net,{},adam,{},{}.5,90", draw.a, draw.b, draw.step);
    let text = lines("dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power\n", draws, 1, line);
    let same = |name: &str, text: &str| texts(name, vec![text.to_string(); draws.len()]);
    let columns = vec![
        same("dataset", "cifar"),
        same("network", "net"),
        numbers("batch_size", Unit::Count, column(draws, a)),
        same("optimizer", "adam"),
        numbers("power_limit", Unit::Watts, column(draws, b)),
        numbers("time_per_epoch", Unit::Seconds, column(draws, |draw| f64::from(draw.step) + 0.5)),
        numbers("average_power", Unit::Watts, column(draws, |_| 90.0)),
    ];
    made("summary_power_x.csv", text, Content::Measurements(table(columns)))
}

/// Targets with an even `b` were never reached.
pub fn zeus_train(draws: &[Draw]) -> Made {
    let reached = |draw: &Draw| if draw.b.is_multiple_of(2) { f64::INFINITY } else { b(draw) };
    let epoch = |draw: &Draw| if draw.b.is_multiple_of(2) { "nan".to_string() } else { draw.b.to_string() };
    let line = |_: u64, draw: &Draw| format!("cifar,net,{},adam,1e-1,{},0.5,{}", draw.a, draw.step, epoch(draw));
    let header = "dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch\n";
    let text = lines(header, draws, 1, line);
    let same = |name: &str, text: &str| texts(name, vec![text.to_string(); draws.len()]);
    let columns = vec![
        same("dataset", "cifar"),
        same("network", "net"),
        numbers("batch_size", Unit::Count, column(draws, a)),
        same("optimizer", "adam"),
        numbers("learning_rate", Unit::Number, column(draws, |_| 0.1)),
        numbers("run", Unit::Count, column(draws, |draw| f64::from(draw.step))),
        numbers("target_metric", Unit::Number, column(draws, |_| 0.5)),
        numbers("target_epoch", Unit::Count, column(draws, reached)),
    ];
    made("summary_train.csv", text, Content::Measurements(table(columns)))
}

pub fn zeus_profile(draws: &[Draw]) -> Made {
    let window = |draw: &Draw| format!("__GlobalPowerLimitOptimizer_{}", draw.b);
    let line = |time: u64, draw: &Draw| format!("{time}.5,{},{},{},7", window(draw), draw.step, draw.a);
    let text = lines("start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n", draws, SECOND, line);
    let starts = times(draws, SECOND).into_iter().map(|time| time as f64 / 1e9 + 0.5).collect();
    let columns = vec![
        numbers("start_time", Unit::Seconds, starts),
        texts("window_name", draws.iter().map(window).collect()),
        numbers("elapsed_time", Unit::Seconds, column(draws, |draw| f64::from(draw.step))),
        numbers("gpu0_energy", Unit::Joules, column(draws, a)),
        numbers("gpu1_energy", Unit::Joules, column(draws, |_| 7.0)),
        numbers("power_limit", Unit::Watts, column(draws, b)),
    ];
    made("A40+x+gpu0,1.csv", text, Content::Measurements(table(columns)))
}

/// Percentiles at whole numbers, values that never fall.
pub fn acme(draws: &[Draw]) -> Made {
    let mut rows = Vec::new();
    let (mut power, mut heat) = (0, 0);
    for (i, draw) in draws.iter().enumerate() {
        (power, heat) = (power + draw.a, heat + draw.b);
        rows.push((i as f64, f64::from(power), f64::from(heat)));
    }
    let mut text = "percentile,gpu_power_w_kalos,gpu_temp_c\n".to_string();
    for (level, power, heat) in &rows {
        let _ = writeln!(text, "{level},{power},{heat}");
    }
    let power = rows.iter().map(|row| (row.0 / 100.0, row.1)).collect();
    let heat = rows.iter().map(|row| (row.0 / 100.0, row.2)).collect();
    let quantiles = |unit, points| Quantiles::new(unit, points).expect("quantiles");
    let all = vec![
        ("gpu_power_w_kalos".to_string(), quantiles(Unit::Watts, power)),
        ("gpu_temp_c".to_string(), quantiles(Unit::Celsius, heat)),
    ];
    made("cdf_quantiles.csv", text, Content::Quantiles(all))
}

/// As many packets in a row of milliseconds as `step` says, then as many milliseconds without any as `b` says, up to 4.
pub fn mahimahi(draws: &[Draw]) -> Made {
    let (mut text, mut points, mut now) = (String::new(), Vec::new(), 0u64);
    for draw in draws {
        let _ = (0..draw.step).try_for_each(|_| writeln!(text, "{}", now + 1));
        points.push((now * 1_000_000, f64::from(draw.step) * 1_504_000.0));
        now += 1;
        if draw.b % 5 > 0 {
            points.push((now * 1_000_000, 0.0));
            now += u64::from(draw.b % 5);
        }
    }
    let last = points.iter().rposition(|point| point.1 > 0.0).expect("a packet");
    let length = points[last].0 + 1_000_000;
    points.truncate(last + 1);
    points.dedup_by(|next, before| next.1 == before.1);
    made("link.up", text, one("capacity", trace(Unit::BytesPerSecond, points, length)))
}

/// Decoding was not measured where `b` is even.
pub fn vidur(draws: &[Draw]) -> Made {
    let decode = |draw: &Draw| (draw.b % 2 == 1).then(|| b(draw));
    let cell = |draw: &Draw| decode(draw).map_or(String::new(), |time| time.to_string());
    let line = |_: u64, draw: &Draw| format!("0,{}.25,{},{},FLASH,True", draw.step, cell(draw), draw.a);
    let header = ",time_stats.attn_prefill.median,time_stats.attn_decode.median,batch_size,backend,is_prefill\n";
    let text = lines(header, draws, 1, line);
    let columns = vec![
        numbers(
            "time_stats.attn_prefill.median",
            Unit::Milliseconds,
            column(draws, |draw| f64::from(draw.step) + 0.25),
        ),
        Column {
            name: "time_stats.attn_decode.median".to_string(),
            unit: Unit::Milliseconds,
            cells: Cells::Numbers(draws.iter().map(decode).collect()),
        },
        numbers("batch_size", Unit::Count, column(draws, a)),
        texts("backend", vec!["FLASH".to_string(); draws.len()]),
        texts("is_prefill", vec!["True".to_string(); draws.len()]),
    ];
    made("attention.csv", text, Content::Measurements(table(columns)))
}
