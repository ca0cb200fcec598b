//! `supple ladder`
use super::{End, ladder_table, read_json, write_json};
use crate::ladders::{self, Effort};
use crate::options::Ladder;
use crate::samples;
use anyhow::{Context, Result};
use supple_strategy::Profile;

/// Measures, solves, validates, and writes the ladder.
///
/// # Errors
/// When something cannot be read or written, or the profile is of another model or machine.
pub fn run(options: &Ladder) -> Result<End> {
    let model = options.source.model()?;
    let data = options.source.data(&model)?;
    let backend = options.common.backend()?;
    let threads = usize::from(options.source.threads);
    let mut executor = model.executor(backend)?.with_threads(threads);
    let batches = samples::fresh(&data.held_out, options.batch);
    let input = batches.first().context("held-out data: expected at least one row")?;
    let stamp = model.stamp(backend, threads, options.batch, &data.name);
    let profile = match &options.profile {
        None => ladders::profile(&mut executor, stamp, input, Effort::FULL.rounds)?,
        Some(path) => {
            let profile: Profile = read_json(path)?;
            let checked = profile.check().and_then(|()| profile.stamp.matches(&stamp));
            checked.with_context(|| path.display().to_string())?;
            for entry in &profile.entries {
                executor.prepare(&entry.setting).with_context(|| path.display().to_string())?;
            }
            profile
        }
    };
    let calibration = samples::calibration(&data.held_out, Effort::FULL.rows, 100);
    let ladder = ladders::ladder(&model, &mut executor, &profile, &calibration, input, Effort::FULL)?;
    write_json(&options.out, &ladder)?;
    if options.common.json {
        println!("{}", serde_json::to_string_pretty(&ladder)?);
    } else {
        println!("{}", ladder_table(&ladder));
        eprintln!("ladder: {}", options.out.display());
    }
    Ok(End::Done)
}
