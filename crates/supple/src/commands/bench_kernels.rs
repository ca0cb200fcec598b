//! `supple bench kernels`
use super::{End, table};
use crate::options::KernelBench;
use anyhow::Result;
use supple_kernels::Limits;
use supple_kernels::bench::{self, Line, Peer, Plan, Shapes, geometric_mean};

/// Measures every shape.
///
/// # Errors
/// When the shapes cannot be read, or the peer does not run.
pub fn run(options: &KernelBench) -> Result<End> {
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    let started = |threads, limits| say_limits(threads, limits, options.json);
    let each = |line: &Line| {
        ratios.extend(line.ratios().into_iter().flatten());
        if options.json {
            println!("{}", line.json());
        } else {
            rows.push(cells(line));
        }
    };
    bench::run(&plan(options)?, started, each)?;
    if !options.json {
        let head = ["shape", "format", "threads", "fwd ms", "GFLOP/s", "of limit", "bwd ms", "GFLOP/s", "of limit"];
        let ratio = ["fwd x", "bwd x"].iter().take(if ratios.is_empty() { 0 } else { 2 });
        println!("{}", table(&head.iter().chain(ratio).copied().collect::<Vec<_>>(), rows));
    }
    if options.against.is_some() {
        say_mean(geometric_mean(&ratios), options.json);
    }
    Ok(End::Done)
}

fn plan(options: &KernelBench) -> Result<Plan> {
    let peer = options.against.clone().map(|script| Peer { script, python: options.python.clone() });
    Ok(Plan {
        shapes: options.shapes.as_deref().map_or_else(Shapes::few, Shapes::read)?,
        only: options.only.clone(),
        formats: options.formats.clone(),
        threads: options.threads.clone(),
        rounds: options.rounds,
        peer,
    })
}

fn say_limits(threads: usize, limits: Limits, json: bool) {
    let (gflops, bytes) = (limits.flops / 1e9, limits.bytes / 1e9);
    if json {
        let limit = serde_json::json!({ "gflops": gflops, "gb_per_s": bytes });
        println!("{}", serde_json::json!({ "limit": limit, "threads": threads }));
    } else {
        println!("{threads} threads: {gflops:.1} GFLOP/s of multiply-adds, {bytes:.1} GB/s of memory");
    }
}

fn say_mean(mean: f64, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "geometric_mean": mean }));
    } else {
        println!("peer's time over ours, geometric mean: {mean:.3}");
    }
}

fn cells(line: &Line) -> Vec<String> {
    let mut cells = vec![line.shape.label(), format!("{} {}", line.format, line.density), line.threads.to_string()];
    for (milliseconds, [gflops, share]) in [(line.ours.forward, line.forward()), (line.ours.backward, line.backward())]
    {
        cells.extend([format!("{milliseconds:.3}"), format!("{gflops:.1}"), format!("{:.0} %", 100.0 * share)]);
    }
    cells.extend(line.ratios().into_iter().flatten().map(|ratio| format!("{ratio:.2}")));
    cells
}
