//! `supple calibrate`
use super::{End, Opened, read_ladder, table, write_json};
use crate::calibration::{LEAST_SHARE, calibrate};
use crate::gauge::Gauge;
use crate::options::Calibrate;
use anyhow::{Context, Result};
use std::time::Duration;

/// Measures the timing model of this machine and stores it.
///
/// # Errors
/// When the ladder is of another model or machine, the share cannot be applied, or the file not be written.
pub fn run(options: &Calibrate) -> Result<End> {
    let ladder = read_ladder(&options.ladder)?;
    let batch = ladder.stamp.batch.max(1);
    let Opened { model, data, mut executor, batches, stamp } = options.source.open(&options.common, batch)?;
    ladder.stamp.matches(&stamp).with_context(|| options.ladder.display().to_string())?;
    let period = Duration::from_secs_f64(options.period_ms / 1e3);
    let gauge = Gauge::of(&model, &data, executor.backend())?;
    let found = calibrate(&mut executor, &gauge, &ladder, &batches, period)?;
    write_json(&options.out, &found)?;
    if options.common.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        let rows = found.fits.iter().map(|fit| vec![fit.model.clone(), format!("{:.2}", 100.0 * fit.error)]);
        println!("{}", table(&["fitted", "%"], rows));
        println!("\nswitch {:.0} ns", 1e9 * found.timing.switch_s);
        if let Some(wake) = &found.timing.wake {
            println!(
                "waits end late by {:.3} ms (median), {:.3} ms (p95)",
                1e3 * wake.median(),
                1e3 * wake.quantile(0.95)
            );
        }
    }
    eprintln!(
        "calibration: {}; shares from {LEAST_SHARE} up were tried, lower ones are not validated",
        options.out.display()
    );
    Ok(End::Done)
}
