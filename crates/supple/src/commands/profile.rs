//! `supple profile`
use super::{End, table, write_json};
use crate::ladders::{self, Effort};
use crate::options::Profile;
use crate::samples;
use anyhow::{Context, Result};

/// Measures what settings cost and writes the profile.
///
/// # Errors
/// When the model or data cannot be read, or the profile not be written.
pub fn run(options: &Profile) -> Result<End> {
    let model = options.source.model()?;
    let data = options.source.data(&model)?;
    let backend = options.common.backend()?;
    let threads = usize::from(options.source.threads);
    let mut executor = model.executor(backend)?.with_threads(threads);
    let batches = samples::fresh(&data.held_out, options.batch);
    let input = batches.first().context("held-out data: expected at least one row")?;
    let stamp = model.stamp(backend, threads, options.batch, &data.name);
    let profile = ladders::profile(&mut executor, stamp, input, Effort::FULL.rounds)?;
    write_json(&options.out, &profile)?;
    if options.common.json {
        println!("{}", serde_json::to_string_pretty(&profile)?);
        return Ok(End::Done);
    }
    let dense = profile.entries.first().map_or(0.0, |entry| entry.service.median());
    let rows = profile.entries.iter().map(|entry| {
        let densities: Vec<String> = entry.setting.choices().iter().map(|c| c.density.to_string()).collect();
        let (median, tail) = (entry.service.median(), entry.service.quantile(0.95));
        vec![
            densities.join(" "),
            format!("{:.3}", 1e3 * median),
            format!("{:.3}", 1e3 * tail),
            format!("{:.2}x", dense / median),
            format!("{:.1}", entry.work.flops / median / 1e9),
        ]
    });
    println!("{}", table(&["densities", "p50 ms", "p95 ms", "speed-up", "GFLOP/s"], rows));
    eprintln!("profile: {}", options.out.display());
    Ok(End::Done)
}
