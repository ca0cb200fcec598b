//! `supple profile`
use super::{End, Opened, table, write_json};
use crate::ladders::{self, Effort};
use crate::options::Profile;
use anyhow::Result;

/// Measures what settings cost and writes the profile.
///
/// # Errors
/// When the model or data cannot be read, or the profile not be written.
pub fn run(options: &Profile) -> Result<End> {
    let Opened { mut executor, batches, stamp, .. } = options.source.open(&options.common, options.batch)?;
    let input = &batches[0];
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
