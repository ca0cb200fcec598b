//! `supple ladder`
use super::{End, Opened, ladder_table, read_json, write_json};
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
    let Opened { model, data, mut executor, batches, stamp } = options.source.open(&options.common, options.batch)?;
    let input = &batches[0];
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
